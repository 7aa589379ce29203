//! `agentd screen` on an X server of its own: eyes and hands, for real.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod desk;
mod orders;
