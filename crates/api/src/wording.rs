//! What serde says of a wrong field, in the words of JSON instead of Rust.

use crate::code::Code;
use crate::problem::Problem;

/// serde's words and ours.
const WORDS: [(&str, &str); 8] = [
    ("expected f64", "expected a number"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    // What serde_json says where one of several words is expected and there is a number.
    ("expected value", "expected a string"),
    ("unknown variant", "unknown value"),
    ("invalid type: floating point", "invalid type: number"),
    ("invalid type: map", "invalid type: object"),
    ("invalid type: sequence", "invalid type: array"),
];

/// The refusal of the field at `path` (`.` if that is not known), of which serde says `text`.
pub(crate) fn invalid_field(path: &str, text: &str) -> Problem {
    let Some(field) = field(path, text) else { return Problem::new(Code::InvalidField, text) };
    let message =
        WORDS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
    Problem::field(Code::InvalidField, &field, message)
}

/// The field's whole name. A field that is missing, twice or unknown is named in the text only.
fn field(path: &str, text: &str) -> Option<String> {
    let named = ["missing field `", "duplicate field `", "unknown field `"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix)?.split('`').next());
    match (path, named) {
        (".", named) => named.map(str::to_owned),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            Some(format!("{path}.{name}"))
        }
        (path, _) => Some(path.to_owned()),
    }
}
