//! From what a model sent to what it wants: exact about what is wrong, lenient about what is clear.

use runbook::Program;
use serde::Deserialize;
use serde_json::{Map, Value};
use types::{Plan, ToolCall};

use super::spec::{DESKTOP, Field, Kind, TOOLS, Tool};
use super::{Action, Signal, StepAction, desktop, lenient};

/// How long code may run if nothing is said, in seconds.
const DEFAULT_TIMEOUT: u32 = 600;

/// How long it may at most.
const MOST_TIMEOUT: u32 = 3600;

/// How long a look at a process waits if nothing is said, and at most.
const DEFAULT_WAIT: u32 = 5;

/// How many lines of a file are shown if nothing is said.
const DEFAULT_LINES: u64 = 400;

/// The longest text an argument may be: what is larger is made by a program. Bounds what a report
/// of it takes.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// What a call asks for.
///
/// # Errors
/// What is wrong with it, for the model: exact, with what was expected.
pub(crate) fn parse(call: &ToolCall) -> Result<Action, String> {
    let tool =
        TOOLS.iter().find(|tool| tool.name == call.name).ok_or_else(|| unknown(&call.name))?;
    if let Some(flaw) = &call.flaw {
        return Err(expected(tool, flaw));
    }
    arguments(tool, &call.arguments)
        .and_then(|arguments| action(tool.name, arguments))
        .map_err(|wrong| expected(tool, &wrong))
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
    let near = names.iter().map(|known| (strsim::jaro_winkler(known, name), known));
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.8);
    let near = near.map_or_else(|| ".".into(), |(_, known)| format!("; did you mean `{known}`?"));
    format!("there is no tool {name:?}{near} There are: {}.", names.join(", "))
}

fn expected(tool: &Tool, wrong: &str) -> String {
    format!("{wrong}. Expected: {}", tool.usage())
}

/// The arguments by the names and in the types of the table.
fn arguments(tool: &Tool, sent: &Value) -> Result<Map<String, Value>, String> {
    let sent = lenient::object(sent).ok_or_else(|| {
        format!("the arguments are no JSON object but {}", lenient::name_of(sent))
    })?;
    let mut arguments = Map::new();
    for (name, value) in sent.iter().filter(|(_, value)| !value.is_null()) {
        match lenient::field(tool, name, &sent) {
            Some(field) => {
                let value = lenient::value(field.kind, value).ok_or_else(|| wrong(field, value))?;
                arguments.insert(field.name.into(), value);
            }
            None if lenient::is_remark(name) => {}
            None => return Err(format!("`{name}` is not among the arguments")),
        }
    }
    let missing = |field: &&Field| field.required && !arguments.contains_key(field.name);
    match tool.fields.iter().find(missing) {
        Some(field) => Err(format!("`{}` is missing", field.name)),
        None => Ok(arguments),
    }
}

fn wrong(field: &Field, value: &Value) -> String {
    let Field { name, kind, .. } = field;
    let mut given = value.to_string();
    if given.len() > 60 {
        given.truncate(given.floor_char_boundary(60));
        given.push('…');
    }
    format!("`{name}` must be {}, not {given}", kind.name())
}

/// What each tool takes, all together: the table says which of them it may have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Arguments {
    command: String,
    code: String,
    timeout_seconds: Option<u64>,
    path: String,
    content: String,
    old: String,
    new: String,
    all: bool,
    from_line: Option<u64>,
    lines: Option<u64>,
    id: u32,
    input: Option<String>,
    close_input: bool,
    signal: Option<Signal>,
    wait_seconds: Option<u64>,
    query: String,
}

fn action(tool: &str, arguments: Map<String, Value>) -> Result<Action, String> {
    match tool {
        "plan" => return read(arguments).and_then(plan).map(Action::Plan),
        "finish" => return read(arguments).map(Action::Finish),
        DESKTOP => {
            let what = read(arguments).and_then(desktop::read)?;
            return Ok(Action::Step(StepAction::Desktop(what)));
        }
        _ => {}
    }
    let arguments: Arguments = read(arguments)?;
    bounded(&arguments)?;
    let step = match tool {
        "recall" => return Ok(Action::Recall { query: filled("query", arguments.query)? }),
        "shell" => StepAction::Run {
            program: Program::Bash,
            code: command(arguments.command)?,
            timeout_seconds: timeout(arguments.timeout_seconds),
        },
        "python" | "typescript" => StepAction::Run {
            program: if tool == "python" { Program::Python } else { Program::TypeScript },
            code: filled("code", arguments.code)?,
            timeout_seconds: timeout(arguments.timeout_seconds),
        },
        "background" => StepAction::Background { command: command(arguments.command)? },
        "process" => process(arguments)?,
        _ => file(tool, arguments)?,
    };
    Ok(Action::Step(step))
}

fn file(tool: &str, arguments: Arguments) -> Result<StepAction, String> {
    let Arguments { content, old, new, all, from_line, lines, .. } = arguments;
    let path = filled("path", arguments.path)?;
    Ok(match tool {
        "write_file" => StepAction::Write { path, content },
        "view_image" => StepAction::View { path },
        "read_file" => {
            let (from_line, lines) = (from_line.unwrap_or(1), lines.unwrap_or(DEFAULT_LINES));
            StepAction::Read { path, from_line: from_line.max(1), lines: lines.max(1) }
        }
        _ if old == new => return Err("`old` and `new` are the same: nothing would change".into()),
        _ => StepAction::Edit { path, old: filled("old", old)?, new, all },
    })
}

fn process(arguments: Arguments) -> Result<StepAction, String> {
    let Arguments { id, input, close_input, signal, wait_seconds, .. } = arguments;
    let wait_seconds = within(wait_seconds, DEFAULT_WAIT, 0, DEFAULT_TIMEOUT);
    Ok(StepAction::Process { id, input, close_input, signal, wait_seconds })
}

fn plan(plan: Plan) -> Result<Plan, String> {
    if plan.items.is_empty() { Err("`items` is empty: a plan has steps".into()) } else { Ok(plan) }
}

fn read<T: serde::de::DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| error.to_string())
}

fn timeout(seconds: Option<u64>) -> u32 {
    within(seconds, DEFAULT_TIMEOUT, 1, MOST_TIMEOUT)
}

fn within(given: Option<u64>, default: u32, least: u32, most: u32) -> u32 {
    let given = given.map(|given| u32::try_from(given).unwrap_or(u32::MAX));
    given.unwrap_or(default).clamp(least, most)
}

fn filled(name: &str, text: String) -> Result<String, String> {
    if text.trim().is_empty() { Err(format!("`{name}` is empty")) } else { Ok(text) }
}

/// Weak models put the call itself where the script belongs.
fn command(text: String) -> Result<String, String> {
    let text = filled("command", text)?;
    let first = text.trim_start().chars().next();
    let is_json = matches!(first, Some('{' | '['))
        && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    if is_json {
        return Err("`command` is JSON, not a shell script; send the script itself".into());
    }
    Ok(text)
}

fn bounded(arguments: &Arguments) -> Result<(), String> {
    let Arguments { command, code, content, old, new, input, .. } = arguments;
    let input = input.as_deref().unwrap_or_default();
    let longest = [command, code, content, old, new].map(String::len).into_iter().max();
    if longest.max(Some(input.len())) > Some(MAX_TEXT_BYTES) {
        return Err("an argument is longer than 1 MiB; have a program write that".into());
    }
    Ok(())
}

impl Kind {
    /// Whether a value is one of these already.
    pub(super) fn is(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_u64(),
            Self::Flag => value.is_boolean(),
            Self::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Items => all_have(value, &["text"]),
            Self::Checks => all_have(value, &["what", "command"]),
        }
    }
}

fn all_have(list: &Value, names: &[&str]) -> bool {
    let has = |entry: &Value| names.iter().all(|name| entry[name].is_string());
    list.as_array().is_some_and(|list| list.iter().all(has))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
