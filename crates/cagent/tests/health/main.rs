//! What operators learn of a server that runs: whether it is well, its numbers, its log.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod log;
mod metrics;
mod probes;
mod support;
mod webhooks;
