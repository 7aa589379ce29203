//! Lenient reading: prose around a call, other names for its parts, JSON as models write it
//! ([`crate::repair`]), a call without a fence, several calls. What cannot be read is complained
//! about exactly; an answer without any call is just text.

use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Stop, ToolCall, ToolSpec};

use super::blocks::{Block, blocks};
use super::describe::EXPECTED;
use super::shape::{self, Shape};
use super::{LANGUAGES, code_argument};
use crate::calls::{Ids, call_of_json};
use crate::repair::{self, Complaint};

/// How many places a call without a fence is looked for at.
const MOST_PLACES: usize = 100;

/// How much of the text may be read in vain for that, in bytes.
const MOST_IN_VAIN: usize = 256 * 1024;

/// How far it is looked whether a call was meant, in bytes.
const LOOKED_AT: usize = 64 * 1024;

/// A place in the text that is a call, or should be.
struct Candidate {
    start: usize,
    end: usize,
    /// Or why it cannot be read.
    call: Result<Shape, String>,
}

/// Finds the one call in a turn's text, and leaves of the text what stands before it.
pub(super) fn calls(request: &ModelRequest, stop: &Stop, turn: &mut ModelTurn) {
    let found = candidates(&turn.text, &request.tools, *stop == Stop::Length);
    let readable = found.iter().position(|candidate| candidate.call.is_ok());
    let others = found.len().saturating_sub(1);
    match found.into_iter().nth(readable.unwrap_or(0)) {
        None => {}
        Some(Candidate { call: Err(complaint), .. }) => {
            turn.flaw = Some(format!("Your call cannot be read: {complaint}. {EXPECTED}"));
        }
        Some(Candidate { start, end, call: Ok(shape) }) => {
            let others = others + shape.others;
            let has_more = !turn.text[end..].trim().is_empty();
            turn.text.truncate(start);
            turn.text.truncate(turn.text.trim_end().len());
            turn.text.push_str(&note(others, has_more));
            turn.calls = vec![made(request, shape)];
        }
    }
}

/// Takes a text that is nothing but one call of a known tool for that call.
pub(super) fn call_alone(request: &ModelRequest, turn: &mut ModelTurn) {
    let text = turn.text.trim();
    let text = match blocks(text).as_slice() {
        [block] if block.place == (0..text.len()) => block.content.trim(),
        _ => text.trim_start_matches("<tool_call>").trim_end_matches("</tool_call>").trim(),
    };
    let value = text.starts_with('{').then(|| repair::json(text).ok()).flatten();
    let shape = value.and_then(|value| shape::call(value, &request.tools));
    let is_known = |shape: &Shape| request.tools.iter().any(|tool| tool.name == shape.name);
    if let Some(shape) = shape.filter(|shape| is_known(shape) && shape.others == 0) {
        turn.text.clear();
        turn.calls = vec![made(request, shape)];
    }
}

fn made(request: &ModelRequest, shape: Shape) -> ToolCall {
    call_of_json(Ids::new(request).take(""), shape.name, shape.arguments)
}

/// What the model is told of what was not used, as part of what it said.
fn note(others: usize, has_more: bool) -> String {
    match others {
        0 if !has_more => String::new(),
        0 => "\n[Ignored: what followed the call. Its result comes first.]".to_owned(),
        n => format!("\n[Ignored: {n} more after the first call. One call per answer.]"),
    }
}

/// Blocks that are calls; if there are none, calls without a fence.
fn candidates(text: &str, tools: &[ToolSpec], is_cut: bool) -> Vec<Candidate> {
    let fenced: Vec<_> = blocks(text)
        .iter()
        .filter_map(|block| {
            let call = in_block(block, tools, is_cut)?;
            Some(Candidate { start: block.place.start, end: block.place.end, call })
        })
        .collect();
    if fenced.is_empty() { bare(text, tools) } else { fenced }
}

/// None for prose.
fn in_block(block: &Block<'_>, tools: &[ToolSpec], is_cut: bool) -> Option<Result<Shape, String>> {
    let language = block.language.as_str();
    let code = tool_of_language(language, tools);
    let tool = code.map(|(tool, _)| tool).or_else(|| tools.iter().find(|t| t.name == language));
    if tool.is_none() && !matches!(language, "" | "json" | "tool" | "tool_call") {
        return None;
    }
    match (json(block.content), code) {
        (Some(Ok(value)), _) if let Some(shape) = of_json(value.clone(), tool, tools) => {
            Some(Ok(shape))
        }
        (_, Some(_)) if is_cut && !block.is_closed => {
            Some(Err("the block is cut off, the answer was too long; do less in one call".into()))
        }
        (_, Some((tool, argument))) => {
            let arguments = json!({ argument: block.content });
            Some(Ok(Shape { name: tool.name.clone(), arguments, others: 0 }))
        }
        (Some(Err(complaint)), None) if tool.is_some() || shape::is_meant(block.content) => {
            Some(Err(format!("in the block, {complaint}")))
        }
        _ => None,
    }
}

/// What looks like JSON, as that.
fn json(content: &str) -> Option<Result<Value, Complaint>> {
    let content = content.trim();
    content.starts_with(['{', '[']).then(|| repair::json(content))
}

/// A whole call, or the arguments of the tool that the block is called after.
fn of_json(value: Value, tool: Option<&ToolSpec>, tools: &[ToolSpec]) -> Option<Shape> {
    let is_argument =
        |name: &String| tool.is_some_and(|tool| tool.parameters["properties"].get(name).is_some());
    match (&value, tool) {
        (Value::Object(map), Some(tool)) if map.keys().all(is_argument) => {
            Some(Shape { name: tool.name.clone(), arguments: value, others: 0 })
        }
        _ => shape::call(value, tools),
    }
}

/// The tool that takes code in this language, and the argument that takes it.
fn tool_of_language<'a>(language: &str, tools: &'a [ToolSpec]) -> Option<(&'a ToolSpec, &'a str)> {
    let (name, _) = LANGUAGES.iter().find(|(_, languages)| languages.contains(&language))?;
    let tool = tools.iter().find(|tool| tool.name == *name)?;
    Some((tool, code_argument(tool)?))
}

/// Calls without a fence: JSON that begins a line, or stands in a tag.
fn bare(text: &str, tools: &[ToolSpec]) -> Vec<Candidate> {
    let mut found = vec![];
    let (mut from, mut in_vain) = (0, 0);
    for start in places(text).take(MOST_PLACES) {
        if start < from || in_vain > MOST_IN_VAIN {
            continue;
        }
        let rest = &text[start..];
        match repair::prefix(rest) {
            (Ok(value), length) => {
                from = start + length;
                let call = shape::call(value, tools).map(Ok);
                found.extend(call.map(|call| Candidate { start, end: from, call }));
            }
            (Err(complaint), length) => {
                in_vain += length;
                let is_meant = || shape::is_meant(&rest[..rest.floor_char_boundary(LOOKED_AT)]);
                if found.is_empty() && is_meant() {
                    let call = Err(format!("in what begins with `{{`, {complaint}"));
                    found.push(Candidate { start, end: text.len(), call });
                }
            }
        }
    }
    found
}

fn places(text: &str) -> impl Iterator<Item = usize> {
    let mut next = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let start = next;
        next += line.len();
        (start, line)
    });
    lines.flat_map(|(start, line)| {
        let is_fence = line.trim_start().starts_with("```");
        let begins = move |at: &usize| {
            // Looks back over white space only: a whole line may be braces.
            let before = line[..*at].trim_end();
            is_fence || before.is_empty() || before.ends_with('>')
        };
        let braces = line.match_indices(['{', '[']).map(|(at, _)| at);
        braces.filter(begins).map(move |at| start + at)
    })
}
