//! agentd: PID 1 of a sandbox. It takes its job from the orchestrator's gateway, runs it on a
//! [`flow`], and reports everything that happens.
//!
//! ```text
//!  session ── hello, control ──► link ══ gateway
//!     │                           ▲
//!     ▼                           │ batches
//!  task_flow, runbook_flow ── reports ──► outbox   (numbered, bounded, kept until acknowledged)
//!     │ tools, context            ▲
//!     ▼                           │ output
//!  step ── spawn, end all ──► reaper           (the only one who waits for processes)
//!  commands ── proxy ──► egress ── CONNECT ══ gateway
//! ```
//!
//! Invariants: no command of the job can kill, trace or read PID 1; nothing a step started outlives
//! it; a step is begun at most once, and never before the orchestrator has recorded its beginning.
//!
//! Not here: limits, network policy and packaging, which the orchestrator enforces from outside;
//! parsing runbooks (crate `runbook`); TypeScript (the `ts` tool).

mod bridge;
mod context;
mod desktop;
mod egress;
pub mod flow;
mod inward;
mod kin;
mod link;
mod measure;
mod outcome;
mod reaper;
mod runbook_flow;
mod session;
mod step;
mod task_flow;
mod tools;
mod witness;

pub use bridge::bridge;
pub use measure::measure;
pub use session::{AgentError, Config, run};
pub use step::trampoline;

/// The flows of a task and of a runbook, as Mermaid drawings.
///
/// # Errors
/// If a flow is not well built, which tests exclude.
pub fn drawing() -> Result<String, flow::BuildError> {
    Ok(format!(
        "%% A task in plain language\n{}\n%% A runbook\n{}",
        task_flow::drawing()?,
        runbook_flow::drawing()?
    ))
}
