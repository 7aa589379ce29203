use reqwest::header::HeaderMap;

use crate::ModelError;
use crate::refusal::Refusal;

/// What a refusal means, where it is not what every provider means.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &str) -> ModelError {
    let refusal = Refusal::read(status, headers, body);
    // "registry.ollama.ai/library/gemma2 does not support tools"
    if refusal.says(&["does not support tools"]) {
        let why = refusal.why();
        return ModelError::Invalid(format!("{why}; set OLLAMA_TOOLS=text for such a model"));
    }
    // "error parsing tool call: raw='…', err=…": its own model wrote it, a 500.
    if refusal.says(&["error parsing tool call"]) {
        return ModelError::Empty(refusal.why());
    }
    // What it says where it knows `truncate`, with 400, 413 or 500.
    if refusal.says(&["the input length exceeds the context length"]) {
        return ModelError::TooLong { window: None };
    }
    if status == 404 && refusal.says(&["not found"]) && refusal.says(&["model"]) {
        return ModelError::NotFound(refusal.why());
    }
    refusal.meaning()
}
