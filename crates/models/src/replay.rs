//! How an answer was put together, for the provider that wants to see it again exactly so: thought
//! signatures on the parts they came on, thinking blocks where they stood. Text and calls are not
//! kept twice: the layout only counts them, and fits no turn that was changed since.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::{ModelTurn, Replay, ToolCall};

use crate::{Provider, repair};

/// A piece of an answer, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Piece {
    /// So many further bytes of the turn's text.
    Text {
        bytes: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// The turn's next call.
    Call {
        /// The provider's own name of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Something that only its provider understands, as it came.
    Opaque { part: Value },
    /// Not a piece: the turn answers a question that went without what is kept here, since its
    /// provider had refused that.
    Refused,
}

/// As [`Piece::Refused`] is written.
const REFUSED: &str = "refused";

/// A piece with what it stands for.
#[derive(Debug)]
pub(crate) enum Laid<'a> {
    Text(&'a str, Option<String>),
    Call { call: &'a ToolCall, id: Option<String>, signature: Option<String> },
    Opaque(Value),
}

/// What is to be kept of an answer; nothing if text and calls tell all, or if it could not be sent back.
pub(crate) fn keep(provider: &Provider, pieces: &[Piece]) -> Option<Replay> {
    let tells = |piece: &Piece| match piece {
        Piece::Text { signature, .. } => signature.is_some(),
        Piece::Call { id, signature } => id.is_some() || signature.is_some(),
        Piece::Opaque { .. } | Piece::Refused => true,
    };
    let data = pieces.iter().any(tells).then(|| serde_json::to_value(pieces).ok())??;
    (!repair::is_too_deep(&data)).then(|| Replay { of: provider.name(), data })
}

/// What is kept of an answer, with a note that what was kept of those before it was refused. It goes
/// with the conversation, so that no later question is refused for it again.
pub(crate) fn noting_a_refusal(data: Value) -> Value {
    let mut pieces = vec![Value::from(REFUSED)];
    pieces.extend(data.as_array().into_iter().flatten().cloned());
    pieces.into()
}

/// Whether that note is there.
pub(crate) fn notes_a_refusal(data: &Value) -> bool {
    data.as_array().and_then(|pieces| pieces.first()).is_some_and(|first| first == REFUSED)
}

/// The pieces of a turn, if this provider and model made it and it is still what they made.
pub(crate) fn lay_out<'a>(provider: &Provider, turn: &'a ModelTurn) -> Option<Vec<Laid<'a>>> {
    let replay = turn.replay.as_ref().filter(|replay| replay.of == provider.name())?;
    let pieces: Vec<Piece> = serde_json::from_value(replay.data.clone()).ok()?;
    let (mut text, mut calls) = (turn.text.as_str(), turn.calls.iter());
    let mut laid = Vec::with_capacity(pieces.len());
    for piece in pieces {
        laid.push(match piece {
            Piece::Text { bytes, signature } => {
                let (said, rest) = text.split_at_checked(bytes)?;
                text = rest;
                Laid::Text(said, signature)
            }
            Piece::Call { id, signature } => Laid::Call { call: calls.next()?, id, signature },
            Piece::Opaque { part } => Laid::Opaque(part),
            Piece::Refused => continue,
        });
    }
    (text.is_empty() && calls.next().is_none()).then_some(laid)
}

/// A turn of which nobody kept more than text and calls.
pub(crate) fn plain(turn: &ModelTurn) -> Vec<Laid<'_>> {
    let call = |call| Laid::Call { call, id: None, signature: None };
    let text = std::iter::once(Laid::Text(&turn.text, None));
    text.chain(turn.calls.iter().map(call)).collect()
}
