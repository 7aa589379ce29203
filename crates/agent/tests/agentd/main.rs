//! The real agentd as PID 1 of real namespaces, against a gateway in this process.
//!
//! Needs `unshare` (util-linux 2.38 or newer), unprivileged user namespaces, bash and python3 in
//! /usr/bin; `egress` also `ip`, curl and git. `two_users` also needs root.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod desktop;
mod egress;
mod gateway;
mod inward;
mod log;
mod protection;
mod recovery;
mod sandbox;
mod script;
mod shell;
mod stoppers;
mod stopping;
mod tasks;
mod tasks_bad;
mod tasks_resumed;
mod tools;
mod two_users;
mod work;
