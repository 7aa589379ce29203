use serde_json::{Map, Value};
use types::ToolSpec;

/// A call within JSON.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) arguments: Value,
    /// Other calls that stood beside it.
    pub(super) others: usize,
}

/// What tools' names and arguments are called, besides by us: by the APIs that models learned from.
const NAMES: [&str; 4] = ["tool", "tool_name", "function", "name"];
const ARGUMENTS: [&str; 6] = ["arguments", "parameters", "args", "input", "params", "action_input"];

/// The call that JSON is, if it is one. Tools that nobody knows are calls too where it says
/// `tool`; a `name` alone is one only with arguments or if there is such a tool.
pub(super) fn call(value: Value, tools: &[ToolSpec]) -> Option<Shape> {
    match value {
        Value::Array(items) => first(items, tools),
        Value::Object(map) => object(map, tools),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn first(items: Vec<Value>, tools: &[ToolSpec]) -> Option<Shape> {
    let mut calls = items.into_iter().filter_map(|item| call(item, tools));
    let first = calls.next()?;
    Some(Shape { others: first.others + calls.count(), ..first })
}

fn object(mut map: Map<String, Value>, tools: &[ToolSpec]) -> Option<Shape> {
    if let Some(calls @ Value::Array(_)) = map.get_mut("tool_calls") {
        return call(calls.take(), tools);
    }
    if let Some(function @ Value::Object(_)) = map.get_mut("function") {
        return call(function.take(), tools);
    }
    let is_tool = |name: &str| tools.iter().any(|tool| tool.name == name);
    let Some(key) = NAMES.into_iter().find(|key| map.get(*key).is_some_and(Value::is_string))
    else {
        return only_entry(map, is_tool);
    };
    let Some(Value::String(name)) = map.remove(key) else { return None };
    let arguments = ARGUMENTS.into_iter().find_map(|key| map.remove(key));
    if key == "name" && arguments.is_none() && !is_tool(&name) {
        return None;
    }
    // Without arguments of their own, what stands beside the name.
    let arguments = arguments.unwrap_or(Value::Object(map));
    Some(Shape { name, arguments, others: 0 })
}

/// `{"shell": {"cmd": "ls"}}`.
fn only_entry(map: Map<String, Value>, is_tool: impl Fn(&str) -> bool) -> Option<Shape> {
    let mut entries = map.into_iter();
    let (Some((name, arguments @ Value::Object(_))), None) = (entries.next(), entries.next())
    else {
        return None;
    };
    is_tool(&name).then_some(Shape { name, arguments, others: 0 })
}

/// Whether text that is no JSON was meant to be a call.
pub(super) fn is_meant(text: &str) -> bool {
    let has =
        |key: &str| text.contains(&format!("\"{key}\"")) || text.contains(&format!("'{key}'"));
    has("tool") || has("tool_calls") || (has("name") && ARGUMENTS.iter().any(|key| has(key)))
}
