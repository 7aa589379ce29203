//! What models mean though they say it a little differently. Nothing here guesses: where two things
//! could be meant, it is an error.

use serde_json::{Map, Value, json};

use super::spec::{Field, Kind, STATES, Tool};

/// Other names for arguments, by what they are called here.
const ALIASES: &[(&str, &[&str])] = &[
    ("command", &["cmd", "script", "code", "commands"]),
    ("code", &["script", "source", "command"]),
    ("path", &["file", "filename", "file_path", "filepath"]),
    ("content", &["contents", "text"]),
    ("old", &["old_string", "old_str", "old_text"]),
    ("new", &["new_string", "new_str", "new_text"]),
    ("all", &["replace_all"]),
    ("from_line", &["start_line", "offset"]),
    ("lines", &["limit"]),
    ("timeout_seconds", &["timeout", "timeout_s", "timeout_secs"]),
    ("wait_seconds", &["wait", "wait_s"]),
    ("items", &["steps", "plan"]),
    ("artifacts", &["files"]),
];

/// Things that models like to add, and that ask for nothing.
const REMARKS: &[&str] = &["description", "explanation", "reason", "thought", "title"];

/// Other words for how far a step of a plan is.
const STATE_WORDS: &[(&str, &str)] = &[
    ("todo", "open"),
    ("pending", "open"),
    ("not_started", "open"),
    ("in_progress", "active"),
    ("doing", "active"),
    ("current", "active"),
    ("completed", "done"),
    ("complete", "done"),
    ("finished", "done"),
    ("skipped", "dropped"),
    ("cancelled", "dropped"),
];

/// Other words for what is done on a desktop.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("left_click", "click"),
    ("mouse_move", "move"),
    ("left_click_drag", "drag"),
    ("look", "screenshot"),
    ("press", "key"),
    ("open", "launch"),
    ("list_windows", "windows"),
];

/// Whether an argument that is not the tool's may be passed over.
pub(super) fn is_remark(name: &str) -> bool {
    REMARKS.contains(&name)
}

/// An object, or a text that is one.
pub(super) fn object(sent: &Value) -> Option<Map<String, Value>> {
    match sent {
        Value::Object(object) => Some(object.clone()),
        Value::Null => Some(Map::new()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// The tool's argument of a name, or of another name for it that is not used beside it.
pub(super) fn field<'a>(
    tool: &'a Tool,
    name: &str,
    sent: &Map<String, Value>,
) -> Option<&'a Field> {
    let own = |name: &str| tool.fields.iter().find(|field| field.name == name);
    own(name).or_else(|| {
        let meant = ALIASES.iter().filter(|(_, others)| others.contains(&name));
        meant.filter(|(known, _)| !sent.contains_key(*known)).find_map(|(known, _)| own(known))
    })
}

/// A value of a kind, from one that clearly stands for it.
pub(super) fn value(kind: Kind, sent: &Value) -> Option<Value> {
    let value = match (kind, sent) {
        (Kind::Number, Value::String(text)) => text.trim().parse::<u64>().ok()?.into(),
        (Kind::Number, Value::Number(number)) => whole(number)?.into(),
        (Kind::Flag, Value::String(text)) => {
            text.trim().to_lowercase().parse::<bool>().ok()?.into()
        }
        (Kind::Text, Value::Number(number)) => number.to_string().into(),
        (Kind::Text, Value::Array(lines)) if Kind::Texts.is(sent) => joined(lines),
        (Kind::OneOf(words), Value::String(word)) => one_of(words, word)?.into(),
        (Kind::Texts, Value::String(text)) => list_in(text).unwrap_or_else(|| json!([text])),
        (Kind::Items | Kind::Checks, Value::String(text)) => each(kind, list_in(text)?.as_array()?),
        (Kind::Items | Kind::Checks, Value::Array(list)) => each(kind, list),
        _ => sent.clone(),
    };
    kind.is(&value).then_some(value)
}

/// The word that is meant, however it is written.
fn one_of(words: &[&'static str], sent: &str) -> Option<&'static str> {
    let sent = sent.trim().to_lowercase();
    let other = OTHER_WORDS.iter().find(|(other, _)| *other == sent).map(|(_, ours)| *ours);
    let known = |word: &str| words.iter().copied().find(|known| known.eq_ignore_ascii_case(word));
    known(&sent).or_else(|| known(other?)).or_else(|| known(sent.strip_prefix("sig")?))
}

fn whole(number: &serde_json::Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    })
}

fn joined(lines: &[Value]) -> Value {
    lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n").into()
}

fn list_in(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(Value::is_array)
}

fn each(kind: Kind, list: &[Value]) -> Value {
    list.iter().map(|entry| if kind == Kind::Items { item(entry) } else { check(entry) }).collect()
}

fn item(sent: &Value) -> Value {
    let text =
        sent.as_str().map_or_else(|| first(sent, &["text", "step", "task", "title"]), Into::into);
    let state = first(sent, &["state", "status"]);
    let word = state.as_str().unwrap_or("open").to_lowercase();
    let other = STATE_WORDS.iter().find(|(other, _)| *other == word);
    let word = other.map_or(word.as_str(), |(_, ours)| ours);
    let known = STATES.contains(&word);
    json!({"text": text, "state": if known { word } else { "open" }})
}

fn check(sent: &Value) -> Value {
    let command = sent.as_str().map_or_else(|| first(sent, &["command", "cmd"]), Into::into);
    let what = first(sent, &["what", "description", "name"]);
    let what = if what.is_null() { command.clone() } else { what };
    json!({"what": what, "command": command})
}

fn first(object: &Value, names: &[&str]) -> Value {
    names.iter().find_map(|name| object.get(name)).cloned().unwrap_or_default()
}

/// What kind of JSON a value is, for people.
pub(super) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
