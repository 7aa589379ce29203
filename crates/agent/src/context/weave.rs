//! Turns one after the other as every provider takes them: begins with a user's turn and ends with
//! something to answer; a model's turn follows a user's or results; no part is blank.

use types::{ModelTurn, Part, ToolResult, Turn};

/// Turns that are put together.
#[derive(Debug, Default)]
pub(super) struct Weave(Vec<Turn>);

impl Weave {
    pub(super) fn say(&mut self, text: String) {
        if text.trim().is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(Turn::User { parts }) => parts.push(Part::text(text)),
            _ => self.0.push(Turn::User { parts: vec![Part::text(text)] }),
        }
    }

    pub(super) fn answer(&mut self, mut turn: ModelTurn) {
        if turn.text.trim().is_empty() && turn.calls.is_empty() && turn.replay.is_none() {
            turn.text = "[no answer]".into();
        }
        if !matches!(self.0.last(), Some(Turn::User { .. } | Turn::Results { .. })) {
            self.say("Go on.".into());
        }
        self.0.push(Turn::Model(turn));
    }

    pub(super) fn results(&mut self, results: Vec<ToolResult>) {
        if !results.is_empty() {
            self.0.push(Turn::Results { results });
        }
    }

    pub(super) fn finish(mut self) -> Vec<Turn> {
        if !matches!(self.0.last(), Some(Turn::User { .. } | Turn::Results { .. })) {
            self.say("Go on.".into());
        }
        self.0
    }
}
