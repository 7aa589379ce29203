//! Jobs on a real server in real sandboxes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod hostile;
mod image;
mod limits;
mod network;
mod restart;
mod support;
mod walk;
