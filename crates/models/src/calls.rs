//! What all dialects need around calls: ids where a provider gives none, arguments as objects.

use std::collections::HashSet;

use serde_json::{Value, json};
use types::{ModelRequest, ToolCall, Turn};

use crate::repair;

/// Gives every call of an answer an id that no other call of the conversation has.
#[derive(Debug)]
pub(crate) struct Ids {
    used: HashSet<String>,
    last: u64,
}

impl Ids {
    pub(crate) fn new(request: &ModelRequest) -> Self {
        let calls = request.turns.iter().flat_map(|turn| match turn {
            Turn::Model(turn) => turn.calls.as_slice(),
            Turn::User { .. } | Turn::Results { .. } => &[],
        });
        let used: HashSet<_> = calls.map(|call| call.id.clone()).collect();
        let last = used.iter().filter_map(|id| id.strip_prefix(PREFIX)?.parse().ok()).max();
        Self { last: last.unwrap_or(0), used }
    }

    /// The provider's own, if it has one and it is not taken; else the next of ours. The latest
    /// calls are in every request, so ours never come twice.
    pub(crate) fn take(&mut self, given: &str) -> String {
        if !given.is_empty() && self.used.insert(given.to_owned()) {
            return given.to_owned();
        }
        loop {
            self.last = self.last.wrapping_add(1);
            let id = format!("{PREFIX}{}", self.last);
            if self.used.insert(id.clone()) {
                return id;
            }
        }
    }
}

const PREFIX: &str = "call_";

/// A call whose arguments came as text.
pub(crate) fn call_of_text(id: String, name: String, arguments: &str) -> ToolCall {
    match object_of_text(arguments) {
        Ok(arguments) => ToolCall { id, name, arguments, flaw: None },
        Err(flaw) => ToolCall { id, name, arguments: arguments.into(), flaw: Some(flaw) },
    }
}

/// A call whose arguments came as JSON: an object, or one within a string.
pub(crate) fn call_of_json(id: String, name: String, arguments: Value) -> ToolCall {
    match arguments {
        Value::Object(_) if repair::is_too_deep(&arguments) => {
            call_of_text(id, name, &arguments.to_string())
        }
        Value::Object(_) => ToolCall { id, name, arguments, flaw: None },
        Value::Null => ToolCall { id, name, arguments: json!({}), flaw: None },
        Value::String(text) => call_of_text(id, name, &text),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            let flaw = Some(no_object(&arguments));
            ToolCall { id, name, arguments: arguments.to_string().into(), flaw }
        }
    }
}

/// A past call's arguments, as an object also where the model wrote none: servers that put them into
/// a template fail on anything else.
pub(crate) fn arguments(call: &ToolCall) -> Value {
    match &call.arguments {
        object @ Value::Object(_) => object.clone(),
        unreadable => json!({ "unreadable": unreadable }),
    }
}

fn object_of_text(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    let value = repair::json(text).map_err(|complaint| {
        format!("the arguments are no JSON: {complaint}; they must be one JSON object")
    })?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(json!({})),
        // One level: no model was seen to wrap twice.
        Value::String(inner) => match repair::json(&inner) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) | Err(_) => Err(no_object(&inner.into())),
        },
        other => Err(no_object(&other)),
    }
}

fn no_object(value: &Value) -> String {
    let kind = match value {
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Null | Value::Object(_) => "something else",
    };
    format!(
        "the arguments are {kind}; they must be one JSON object, such as {{\"name\": \"value\"}}"
    )
}

#[cfg(test)]
mod tests {
    use types::ModelTurn;

    use super::*;

    #[test]
    fn ids_are_unique_within_the_conversation() {
        let call = |id: &str| call_of_text(id.into(), "shell".into(), "");
        let past = ModelTurn { calls: vec![call("call_7"), call("a")], ..ModelTurn::default() };
        let request = ModelRequest { turns: vec![Turn::Model(past)], ..ModelRequest::default() };
        let mut ids = Ids::new(&request);
        assert_eq!(ids.take("b"), "b");
        assert_eq!(ids.take("a"), "call_8");
        assert_eq!(ids.take(""), "call_9");
        assert_eq!(ids.take("b"), "call_10");
        assert_eq!(ids.take("call_11"), "call_11");
        assert_eq!(ids.take(""), "call_12");
    }

    #[test]
    fn arguments_come_in_many_forms() {
        let read = |text: &str| {
            let call = call_of_text("1".into(), "t".into(), text);
            (call.arguments, call.flaw)
        };
        let object = json!({"a": 1});
        assert_eq!(read(""), (json!({}), None));
        assert_eq!(read("null"), (json!({}), None));
        assert_eq!(read(r#"{"a":1}"#), (object.clone(), None));
        assert_eq!(read(r#"{"a":1,}"#), (object.clone(), None));
        assert_eq!(read(r#""{\"a\":1}""#), (object.clone(), None));
        let (kept, flaw) = read("[1]");
        assert_eq!(kept, json!("[1]"));
        assert!(flaw.unwrap().starts_with("the arguments are an array; they must be"));
        let (kept, flaw) = read(r#"{"a": "ls"#);
        assert_eq!(kept, json!(r#"{"a": "ls"#));
        assert!(flaw.unwrap().contains("line 1, column"));
        let call = call_of_json("1".into(), "t".into(), json!(7));
        assert!(call.flaw.unwrap().contains("a number"));
        assert_eq!(call.arguments, json!("7"));
    }

    #[test]
    fn arguments_that_could_not_be_sent_on_are_a_flaw() {
        let deep = (0..100).fold(json!({}), |inner, _| json!({ "a": inner }));
        let call = call_of_json("1".into(), "t".into(), deep);
        assert!(call.arguments.is_string() && call.flaw.unwrap().contains("deeper than 64"));
    }
}
