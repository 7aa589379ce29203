//! What engine and helper say to each other on `helper.sock`: one JSON line each way.
//! And the first line a helper prints.

use engine::Ended;
use serde::{Deserialize, Serialize};
use types::Usage;

/// Printed by the helper once, on its stdout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Started {
    /// The sandbox runs; the helper's socket is open.
    Running,
    /// It could not be made; nothing of it is left.
    Failed { message: String },
}

/// A request, with the [`crate::plan::VERSION`] of whoever asks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) version: u32,
    pub(crate) call: Call,
}

/// What can be asked of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    /// Kill everything inside; answered when all is dead.
    Stop,
    /// Answered when all is dead.
    Wait,
    /// What it used so far.
    Stats,
}

/// The helper's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// To [`Call::Stop`] and [`Call::Wait`].
    Ended(Ended),
    /// To [`Call::Stats`].
    Stats(Usage),
    /// The request was not understood.
    Refused { message: String },
}
