//! What a scenario leaves open, filled in from the request.

use serde_json::Value;

use super::{Call, Reply, Seen};

/// The reply with everything in `{{ }}` filled in. `n` counts how often it was given, from 1.
pub(super) fn fill(reply: &Reply, n: u32, seen: &Seen) -> Reply {
    let text = |text: &str| fill_text(text, n, seen);
    let call = |call: &Call| Call {
        tool: text(&call.tool),
        arguments: fill_value(&call.arguments, &text),
    };
    let calls = reply.calls.iter().map(call).collect();
    Reply { text: text(&reply.text), calls, ..reply.clone() }
}

fn fill_value(value: &Value, text: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(s) => Value::String(text(s)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, text)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), fill_value(value, text))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn fill_text(text: &str, n: u32, seen: &Seen) -> String {
    let mut pieces = text.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once("}}").and_then(|(name, rest)| Some((open(name, n, seen)?, rest))) {
            Some((value, rest)) => filled.extend([value.as_str(), rest]),
            None => filled.extend(["{{", piece]),
        }
    }
    filled
}

/// What a name stands for.
fn open(name: &str, n: u32, seen: &Seen) -> Option<String> {
    match name.trim().split_once(':') {
        None => match name.trim() {
            "n" => Some(n.to_string()),
            "last_result" => Some(seen.last()),
            "model" => Some(seen.model.clone()),
            "task" => Some(seen.task().to_owned()),
            _ => None,
        },
        Some(("line_with", text)) => Some(seen.line_with(text).unwrap_or_default().to_owned()),
        Some(("result_contains", text)) => Some(seen.last().contains(text).to_string()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted::Provider;
    use crate::scripted::seen::{Message, Outcome};

    #[test]
    fn what_is_open_is_filled_in_and_nothing_else() {
        let outcome = Outcome { call: "1".into(), text: "a\nthe key is 7\nb".into() };
        let results = Message { results: vec![outcome], ..Message::default() };
        let mut seen = Seen::new(1, Provider::Gemini, String::new(), "".into());
        seen.messages.push(results);
        let reply = Reply::text("{{n}}: {{line_with:key}} {{result_contains:zz}} {{other}} {{")
            .and_call("t", json!({ "a": ["{{ n }}", 3] }));
        let filled = fill(&reply, 4, &seen);
        assert_eq!(filled.text, "4: the key is 7 false {{other}} {{");
        assert_eq!(filled.calls[0].arguments, json!({ "a": ["4", 3] }));
    }
}
