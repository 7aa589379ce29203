//! A conversation as one provider can be asked it. The one place that mends what no provider takes,
//! so that no dialect has to: the agent keeps these rules too, but a job that cannot go on for want
//! of one of them would be lost.
//!
//! Keeps true of every question, whatever it was made of:
//! - it begins with a person's turn and ends with a person's or with results;
//! - no two turns of the model, nor two of a person, follow each other, and none is empty;
//! - every call has one result, right after its turn and in the order of the calls, and nothing else
//!   has one; ids of calls are unique, and such as every provider takes;
//! - pictures are there only for models that take them, and what one model wants to see again
//!   ([`types::Replay`]) only for that one.
//!
//! What is in order already stays as it is, byte for byte, so that caches of prefixes hold.

use std::collections::HashSet;

use types::{ModelRequest, ModelTurn, Part, Replay, ToolCall, ToolResult, Turn};

use crate::{Provider, replay};

/// Stands where a person's turn must be and none is.
const GO_ON: &str = "Go on.";

/// Anthropic takes letters, digits, `_` and `-`, and 64 of them; the others take that too. This
/// leaves room for a number.
const LONGEST_ID: usize = 56;

/// The question for this provider; with what it wants to see again, if it may.
pub(crate) fn mended(question: &ModelRequest, provider: &Provider, replay: bool) -> ModelRequest {
    let mut history = History::default();
    question.turns.iter().cloned().for_each(|turn| history.add(turn));
    let of = replay.then(|| provider.name());
    let mut turns = history.finished();
    turns.iter_mut().for_each(|turn| fit(turn, of.as_deref(), provider.images));
    ModelRequest {
        system: question.system.clone(),
        turns,
        tools: question.tools.clone(),
        must_call: question.must_call.clone(),
        max_output_tokens: question.max_output_tokens,
    }
}

/// Who answered last in this conversation, as [`Provider::name`] has it.
pub(crate) fn last_answerer(question: &ModelRequest) -> Option<&str> {
    question.turns.iter().rev().find_map(|turn| match turn {
        Turn::Model(turn) => Some(turn.replay.as_ref()?.of.as_str()),
        Turn::User { .. } | Turn::Results { .. } => None,
    })
}

/// Whether in this conversation this model did not want to see again what it had made.
pub(crate) fn is_refused(question: &ModelRequest, name: &str) -> bool {
    question.turns.iter().any(|turn| match turn {
        Turn::Model(ModelTurn { replay: Some(Replay { of, data }), .. }) => {
            of == name && replay::notes_a_refusal(data)
        }
        Turn::Model(_) | Turn::User { .. } | Turn::Results { .. } => false,
    })
}

/// Signs an answer, so that the conversation says who gave it: the next question goes to the same
/// one, also after a restart of the orchestrator. And whether it was `stripped` of what its maker
/// wants to see again: then the next one is too.
pub(crate) fn signed(mut turn: ModelTurn, provider: &Provider, stripped: bool) -> ModelTurn {
    let mut data = turn.replay.take().map(|replay| replay.data).unwrap_or_default();
    if stripped {
        data = replay::noting_a_refusal(data);
    }
    turn.replay = Some(Replay { of: provider.name(), data });
    turn
}

/// Turns as they are put in order.
#[derive(Default)]
struct History {
    turns: Vec<Turn>,
    ids: HashSet<String>,
    /// The last turn's calls: the ids that results use, and the calls as they are now.
    open: Vec<(String, ToolCall)>,
}

impl History {
    fn add(&mut self, turn: Turn) {
        match turn {
            Turn::User { parts } => {
                self.close(vec![]);
                self.user(parts);
            }
            Turn::Model(turn) => {
                self.close(vec![]);
                self.model(turn);
            }
            Turn::Results { results } => self.close(results),
        }
    }

    fn finished(mut self) -> Vec<Turn> {
        self.close(vec![]);
        if matches!(self.turns.last(), None | Some(Turn::Model(_))) {
            self.user(vec![Part::text(GO_ON)]);
        }
        self.turns
    }

    /// One turn for all that is said in a row.
    fn user(&mut self, mut parts: Vec<Part>) {
        parts.retain(|part| !matches!(part, Part::Text { text } if text.trim().is_empty()));
        match self.turns.last_mut() {
            _ if parts.is_empty() => {}
            Some(Turn::User { parts: before }) => before.append(&mut parts),
            Some(Turn::Model(_) | Turn::Results { .. }) | None => {
                self.turns.push(Turn::User { parts });
            }
        }
    }

    fn model(&mut self, mut turn: ModelTurn) {
        if turn.calls.is_empty() && turn.text.trim().is_empty() {
            return;
        }
        if matches!(self.turns.last(), None | Some(Turn::Model(_))) {
            self.user(vec![Part::text(GO_ON)]);
        }
        for call in &mut turn.calls {
            let id = self.unique(&call.id);
            let known_as = std::mem::replace(&mut call.id, id);
            self.open.push((known_as, call.clone()));
        }
        self.turns.push(Turn::Model(turn));
    }

    /// The id itself if it can stay, else one like it.
    fn unique(&mut self, id: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut base: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        base.truncate(LONGEST_ID);
        if base.is_empty() {
            base.push_str("call");
        }
        let (mut id, mut n) = (base.clone(), 1);
        while !self.ids.insert(id.clone()) {
            n += 1;
            id = format!("{base}_{n}");
        }
        id
    }

    /// Every open call gets its result; results of no call become something a person says.
    fn close(&mut self, mut results: Vec<ToolResult>) {
        let open = std::mem::take(&mut self.open);
        let paired = open.into_iter().map(|(known_as, call)| {
            let found = results.iter().position(|result| result.call == known_as);
            let result = found.map(|at| results.remove(at));
            ToolResult { call: call.id, ..result.unwrap_or_else(|| unknown(call.name)) }
        });
        let paired: Vec<_> = paired.collect();
        if !paired.is_empty() {
            self.turns.push(Turn::Results { results: paired });
        }
        results.into_iter().for_each(|result| self.user(result.parts));
    }
}

fn unknown(name: String) -> ToolResult {
    let parts = vec![Part::text("Nobody knows what became of this call.")];
    ToolResult { call: String::new(), name, parts, is_error: true }
}

/// Takes away what is not for this model.
fn fit(turn: &mut Turn, of: Option<&str>, images: bool) {
    let parts: Vec<&mut Part> = match turn {
        Turn::User { parts } => parts.iter_mut().collect(),
        Turn::Results { results } => results.iter_mut().flat_map(|r| &mut r.parts).collect(),
        Turn::Model(turn) => {
            let replay = turn.replay.take();
            turn.replay = replay.filter(|r| Some(r.of.as_str()) == of && !r.data.is_null());
            vec![]
        }
    };
    if !images {
        parts.into_iter().for_each(describe);
    }
}

fn describe(part: &mut Part) {
    if let Part::Image { media_type, width, height, .. } = part {
        *part = Part::text(format!(
            "[a picture, {media_type}, {width}×{height}: not shown, this model takes no pictures]"
        ));
    }
}

#[cfg(test)]
mod tests;
