use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::ModelError;
use crate::refusal::Refusal;

/// What a refusal means, where it is not what every provider means.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &str) -> ModelError {
    let refusal = Refusal::read(status, headers, body);
    match status {
        429 => limited(&refusal),
        // Both its words for a free tier that a country does not have.
        400 if refusal.says(&["failed_precondition", "user location is not supported"]) => {
            ModelError::Auth(refusal.why())
        }
        // "API key not valid", "API key expired", each a 400.
        400 if refusal.body.contains("API_KEY_INVALID") || refusal.says(&["api key expired"]) => {
            ModelError::Auth(refusal.why())
        }
        _ => refusal.meaning(),
    }
}

/// Its text speaks of "current quota" and "billing" whichever limit it was; only the details tell.
fn limited(refusal: &Refusal<'_>) -> ModelError {
    let lasting = is_lasting(refusal) || refusal.says(&["limit: 0", "credits are depleted"]);
    if lasting {
        return ModelError::Exhausted(refusal.why());
    }
    ModelError::RateLimited { after: refusal.hint(), why: refusal.why() }
}

/// Whether one of the quotas is for a day or longer: `GenerateRequestsPerDayPerProjectPerModel-…`.
fn is_lasting(refusal: &Refusal<'_>) -> bool {
    let body: Value = serde_json::from_str(refusal.body).unwrap_or_default();
    let error = body.get(0).unwrap_or(&body);
    let details = error["error"]["details"].as_array().into_iter().flatten();
    let violations = details.filter_map(|detail| detail["violations"].as_array()).flatten();
    let mut quotas = violations.filter_map(|violation| violation["quotaId"].as_str());
    quotas.any(|quota| ["PerDay", "PerMonth"].iter().any(|span| quota.contains(span)))
}
