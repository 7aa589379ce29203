//! Runbooks: Markdown whose fenced blocks are run, literally and in order, without any model.
//! [`Runbook::parse`] reads them, [`render`] writes them.
//!
//! Invariant: pure. The orchestrator reads a runbook, when the job is accepted and again when it is
//! handed to the agent; everybody after that works with the typed [`Block`]s.
//!
//! Not here: running the blocks (crate `agent`), and deciding what a prompt without blocks is
//! (crate `jobs`).

mod block;
mod error;
mod front_matter;
mod info;
mod markdown;
mod parse;
mod path;
pub mod render;

pub use block::{Block, Program, Runbook, Work};
pub use error::{MAX_MISTAKES, Mistake, MistakeKind, ParseError};
pub use front_matter::declares_runbook;
pub use parse::MAX_BLOCKS;
