//! Jobs on a real server in real sandboxes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod backup;
mod hostile;
mod image;
mod limits;
mod network;
mod pressure;
mod restart;
mod stop;
mod support;
mod upgrade;
mod walk;
