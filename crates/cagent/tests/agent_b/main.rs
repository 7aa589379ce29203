//! Scratch: gone before anybody commits.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#[path = "../agent/support.rs"]
#[allow(dead_code)]
mod support;
#[path = "../agent/needle.rs"]
mod needle;
