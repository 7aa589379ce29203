//! The gateway on a real socket, spoken to by agentd's own client.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod calls;
mod dials;
mod egress;
mod refused;
mod support;
