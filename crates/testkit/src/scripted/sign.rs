//! Thought signatures. They follow from what they sign, so that nothing has to be kept to know them
//! again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What stands for a signature that nobody has.
pub(super) const PLACEHOLDER: &str = "skip_thought_signature_validator";

/// What Gemini says of a call that came back without one.
pub(super) const MISSING: &str = "Function call is missing a thought_signature in functionCall parts. This is required for \
     tools to work correctly, and missing thought_signature may lead to degraded model performance. \
     Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.";

/// What Gemini says of one that is not its own.
pub(super) const CORRUPTED: &str = "Corrupted thought signature.";

/// The signature of this model under this.
pub(super) fn sign(model: &str, what: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (model, what).hash(&mut hasher);
    let mark = hasher.finish();
    // As long as a short one of a real provider, and with characters that JSON and URLs mind.
    BASE64_STANDARD.encode(format!("thought/{mark:016x}/{:016x}?>>", mark.rotate_left(17)))
}
