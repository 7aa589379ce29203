use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Part, ToolCall, ToolResult, ToolSpec, Turn};

use super::blocks::fits;
use super::describe::instructions;
use super::{LANGUAGES, code_argument};
use crate::calls::arguments;

/// The same question in words only: tools in the system text, past calls and results in the turns,
/// which alternate strictly between user and model. What was asked before stays the same, byte for
/// byte, as the conversation grows.
pub(crate) fn worded(request: &ModelRequest) -> ModelRequest {
    let mut turns = vec![];
    for turn in &request.turns {
        match turn {
            Turn::User { parts } => user(&mut turns, parts.clone()),
            Turn::Model(turn) => model(&mut turns, turn, &request.tools),
            Turn::Results { results } => results.iter().for_each(|r| user(&mut turns, result(r))),
        }
    }
    if let Some(name) = &request.must_call {
        user(&mut turns, vec![Part::text(format!("Your answer must be a call of `{name}`."))]);
    }
    let system = match request.tools.as_slice() {
        [] => request.system.clone(),
        tools => format!("{}\n\n{}", request.system, instructions(tools)),
    };
    let max_output_tokens = request.max_output_tokens;
    ModelRequest { system, turns, tools: vec![], must_call: None, max_output_tokens }
}

fn user(turns: &mut Vec<Turn>, mut parts: Vec<Part>) {
    match turns.last_mut() {
        Some(Turn::User { parts: before }) => before.append(&mut parts),
        _ => turns.push(Turn::User { parts }),
    }
}

fn model(turns: &mut Vec<Turn>, turn: &ModelTurn, tools: &[ToolSpec]) {
    let text = Some(turn.text.clone()).filter(|text| !text.is_empty());
    let blocks = turn.calls.iter().map(|call| block(call, tools));
    let text = text.into_iter().chain(blocks).collect::<Vec<_>>().join("\n");
    match turns.last_mut() {
        Some(Turn::Model(before)) => before.text = format!("{}\n{text}", before.text),
        _ => turns.push(Turn::Model(ModelTurn { text, ..ModelTurn::default() })),
    }
}

/// A call as it is expected: code as a block of its language if it is all there is, else JSON.
pub(super) fn block(call: &ToolCall, tools: &[ToolSpec]) -> String {
    if let Some((language, code)) = code_of(call, tools) {
        return format!("```{language}\n{code}\n```");
    }
    let json = json!({ "tool": call.name, "arguments": arguments(call) });
    format!("```json\n{json}\n```")
}

fn code_of<'a>(call: &'a ToolCall, tools: &[ToolSpec]) -> Option<(&'static str, &'a str)> {
    let (_, languages) = LANGUAGES.iter().find(|(name, _)| *name == call.name)?;
    let tool = tools.iter().find(|tool| tool.name == call.name)?;
    let argument = code_argument(tool)?;
    let Value::Object(given) = &call.arguments else { return None };
    let code = given.get(argument)?.as_str().filter(|code| given.len() == 1 && fits(code))?;
    // Code that is JSON could be read as something else.
    let is_plain = !code.trim_start().starts_with(['{', '[']);
    is_plain.then_some((*languages.first()?, code))
}

/// With the call's id, so that no two messages are the same: Alchemyst's proxy drops repeated ones.
fn result(result: &ToolResult) -> Vec<Part> {
    let failed = if result.is_error { ", which failed" } else { "" };
    let mut parts =
        vec![Part::text(format!("Result of {} ({}){failed}:", result.name, result.call))];
    parts.extend(result.parts.iter().cloned());
    parts
}
