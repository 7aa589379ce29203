//! Runbooks: Markdown whose fenced blocks are run, literally and in order, without any model.
//!
//! Invariant: pure. A runbook is read once, when the job is accepted; everybody after that works
//! with the typed [`Block`]s.

mod block;

pub use block::{Block, Program, Runbook, Work};
