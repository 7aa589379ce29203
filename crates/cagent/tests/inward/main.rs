//! Ways into real sandboxes of the embedded engine: what listens in there, and Jupyter Lab.
//!
//! Installs Jupyter Lab with `scripts/jupyter` when it is run for the first time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod http;
mod jupyter;
mod latency;
mod ports;
mod proxied;
mod support;
