//! The workflow engine: a graph of nodes over one typed state `S`, working with tools `T`.
//!
//! ```text
//!             ┌───────────────── node ─────────────────┐
//!   state ───►│ prepare(&S) ──► execute(&In) ──► decide │──► state', action
//!             │    In        ▲   Out or error   (&mut S)│         │
//!             │              └── retry, timeout ──┘     │         ▼
//!             └─────────────────────────────────────────┘   edge: node | end
//! ```
//!
//! `prepare` reads the state, `execute` does the work without touching it (so it can be tried
//! again) but with the tools of this process, `decide` writes the result into the state and names an action; the action's edge leads
//! to the next node. After each node the next node's name and the state go to the [`Sink`] as a
//! checkpoint, from which the flow can go on in another process.
//!
//! Not here: what the nodes of a runbook do (`runbook_flow`), and where events go.

mod builder;
mod mermaid;
mod node;
mod run;
mod wired;

#[cfg(test)]
mod tests;

pub use builder::{BuildError, FlowBuilder};
pub(crate) use node::actions;
pub use node::{Action, Node, NodeError, Policy, To};
pub use run::{Event, Flow, FlowError, Position, Sink};
