//! An entry as text: what `recall` searches and shows, what is summed up.

use serde_json::Value;
use types::{Part, ToolCall, ToolResult};

use super::Entry;
use super::view::plan_text;

/// The tool that looks into the log: its own calls and results are nothing to look for.
const RECALL: &str = "recall";

/// All of an entry's words. What was recalled before is left out of those to be searched.
pub(super) fn of(entry: &Entry, to_search: bool) -> String {
    let wanted = |name: &str| !(to_search && name == RECALL);
    match entry {
        Entry::Task { text } | Entry::Person { text } | Entry::Note { text } => text.clone(),
        Entry::Summary { text, .. } => text.clone(),
        Entry::Model { turn } => {
            let calls = turn.calls.iter().filter(|call| wanted(&call.name)).map(of_call);
            joined([turn.text.clone()].into_iter().chain(calls))
        }
        Entry::Results { results } => {
            joined(results.iter().filter(|result| wanted(&result.name)).map(of_result))
        }
        Entry::Plan { plan } => plan_text(plan),
        Entry::View { .. } => String::new(),
    }
}

/// Who speaks in an entry, for a reader.
pub(super) fn speaker(entry: &Entry) -> &'static str {
    match entry {
        Entry::Task { .. } => "the task",
        Entry::Model { .. } => "the agent",
        Entry::Results { .. } => "what came of it",
        Entry::Person { .. } => "a person",
        Entry::Note { .. } => "a note",
        Entry::Summary { .. } => "a summary",
        Entry::Plan { .. } => "the plan",
        Entry::View { .. } => "about views",
    }
}

/// Texts as they are, not as JSON: so that words are found across lines and quotes.
fn of_call(call: &ToolCall) -> String {
    let arguments = match &call.arguments {
        Value::Object(all) => {
            let line = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            };
            joined(all.iter().map(line))
        }
        other => other.to_string(),
    };
    format!("[call of {}]\n{arguments}", call.name)
}

fn of_result(result: &ToolResult) -> String {
    let state = if result.is_error { "failed" } else { "ok" };
    let parts = result.parts.iter().map(|part| match part {
        Part::Text { text } => text.clone(),
        Part::Image { width, height, .. } => format!("[a picture of {width}x{height}]"),
    });
    joined([format!("[{}: {state}]", result.name)].into_iter().chain(parts))
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}
