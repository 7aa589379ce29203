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
        // "Invalid `signature` in `thinking` block"; thinking "cannot be modified".
        400 if refusal.says(&["`thinking`", "thinking block"])
            && refusal.says(&["signature", "cannot be modified"]) =>
        {
            ModelError::Signature(refusal.why())
        }
        _ => refusal.meaning(),
    }
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
