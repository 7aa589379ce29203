//! Tasks in plain language on a real server in real sandboxes, with models that play a script.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bad_input;
mod behaviour;
mod budgets;
mod claims;
mod failover;
mod faults;
mod inside;
mod needle;
mod overflow;
mod people;
mod providers;
mod replay;
mod secrets;
mod support;
