//! A runbook as a flow: `read` takes the next block, `step` runs it, `compile` says how it all went.
//!
//! The checkpoint before `step` says "this block is begun". A flow that goes on from there, in a
//! new agentd, reports the block as interrupted and never runs it again: nobody knows how far it
//! came. Only if a person has resumed the job, who was told that, it is run again; never one whose
//! end is recorded.
//!
//! Not here: how a block runs ([`crate::step`]).

mod nodes;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use protocol::{AgentSpec, Checkpoint, Outbox, Verdict};
use runbook::Block;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use types::Resumes;

use crate::flow::{BuildError, Flow, FlowBuilder, Policy, To};
use crate::outcome::{self, RunError};
use crate::step::{Environment, Place, Runner};
use nodes::{Compile, CompileAction, Read, ReadAction, Step, StepAction};

/// What a runbook's flow knows between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The step begun last; its block has the same number, counted from 1. 0 before the first.
    step: u32,
    /// Whether that step is about to run. It does not outlive the process, on purpose.
    #[serde(skip)]
    armed: bool,
    /// Where the next block begins.
    cwd: String,
    /// The environment in which it does.
    environment: Environment,
    /// Why the runbook ends early.
    failure: Option<Verdict>,
    /// The result, at the end.
    verdict: Option<Verdict>,
}

/// What the nodes work with.
#[derive(Debug)]
struct Tools {
    runner: Rc<Runner>,
    blocks: Vec<Block>,
    /// The job in whose workspace this one goes on, if a person wants it.
    resumes: Option<Resumes>,
}

/// Runs the runbook of a spec, from its checkpoint if it has one.
pub(crate) async fn run(
    spec: AgentSpec,
    blocks: Vec<Block>,
    runner: Rc<Runner>,
    cancel: &CancellationToken,
) -> Verdict {
    let outbox = Rc::clone(&runner.outbox);
    let start = State::new(&runner, &spec);
    let tools = Tools { runner, blocks, resumes: spec.resumes };
    outcome::verdict(run_flow(&tools, start, spec.checkpoint, cancel, &outbox).await)
}

/// The flow as a Mermaid drawing.
///
/// # Errors
/// If the flow is not well built, which a test excludes.
pub(crate) fn drawing() -> Result<String, BuildError> {
    Ok(flow(1)?.to_string())
}

async fn run_flow(
    tools: &Tools,
    start: State,
    checkpoint: Option<Checkpoint>,
    cancel: &CancellationToken,
    outbox: &Outbox,
) -> Result<Option<Verdict>, RunError> {
    let flow = flow(tools.blocks.len())?;
    let mut position = outcome::position(&flow, start, checkpoint)?;
    if tools.resumes.is_some() {
        tools.runner.find_again(&mut position.state.cwd).await;
    }
    Ok(flow.run(position, tools, cancel, outbox).await?.verdict)
}

fn flow(blocks: usize) -> Result<Flow<State, Tools>, BuildError> {
    // Twice per block, once more to see that there is none left, and the end.
    FlowBuilder::new(2 * blocks + 2)
        .node("read", Read, Policy::once(), |action| match action {
            ReadAction::Run => To::Node("step"),
            ReadAction::Done => To::Node("compile"),
        })
        .node("step", Step, Policy::once(), |action| match action {
            StepAction::Next => To::Node("read"),
            StepAction::Failed => To::Node("compile"),
        })
        .node("compile", Compile, Policy::once(), |CompileAction::Finish| To::End)
        .build()
}

impl State {
    fn new(runner: &Runner, spec: &AgentSpec) -> Self {
        let Place { cwd, environment } = Place::first(spec, &runner.config);
        Self { step: 0, armed: false, cwd, environment, failure: None, verdict: None }
    }
}
