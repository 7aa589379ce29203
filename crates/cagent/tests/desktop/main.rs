//! The desktop of real sandboxes on the embedded engine, with the host's Xvnc, and models that play
//! a script: they see it and use it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod form;
mod people;
mod runbook;
mod start;
mod support;
