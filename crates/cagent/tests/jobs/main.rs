//! Jobs on a real server in real sandboxes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod backup;
mod hostile;
mod image;
mod limits;
mod network;
mod pressure;
mod readers;
mod restart;
mod slow_disk;
mod stop;
mod support;
mod takeover;
mod upgrade;
mod walk;
