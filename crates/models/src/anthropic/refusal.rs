use reqwest::header::HeaderMap;

use crate::ModelError;
use crate::refusal::Refusal;

/// What a refusal means, where it is not what every provider means.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &str) -> ModelError {
    let refusal = Refusal::read(status, headers, body);
    match status {
        // An empty account is a 400, a monthly limit a 400 or a 429.
        400 | 429 if refusal.says(&["credit balance", "spend limit", "usage limit"]) => {
            ModelError::Exhausted(refusal.why())
        }
        // "model: claude-9", which is all it says.
        404 if refusal.message.starts_with("model:") => ModelError::NotFound(refusal.why()),
        // "Invalid `signature` in `thinking` block"; thinking "cannot be modified".
        400 if is_of_thoughts(&refusal) => ModelError::Signature(refusal.why()),
        _ => refusal.meaning(),
    }
}

/// Its words are all quoted.
fn is_of_thoughts(refusal: &Refusal<'_>) -> bool {
    let has = |word| refusal.message.contains(word);
    (has("`thinking`") || has("thinking block")) && (has("signature") || has("cannot be modified"))
}

/// The status that an error within a stream stands for; the answer itself began with a 200.
pub(super) fn status_of(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}
