//! The portal with real jobs and real connections, and agents that only pretend to have a desktop.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod control;
mod entry;
mod jupyter;
mod lapse;
mod list;
mod names;
mod paths;
mod proxy;
mod sockets;
mod support;
mod upstream;
mod watch;
