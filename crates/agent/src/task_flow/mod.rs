//! A task in plain language as a flow: `analyse` asks for a plan, `think` asks what comes next,
//! `act` does it, call by call, `verify` checks what is claimed, `compile` says how it all went.
//!
//! ```text
//!  analyse ──► think ◄──► act ──► verify ──► compile
//!     └────────────────────▲ ▲──────┘ not accepted: the model goes on
//! ```
//!
//! The conversation is in the agent's log ([`crate::context`]); the state between two nodes is
//! small and says which call of the last answer is begun. A flow that goes on from there, in a new
//! agentd, reports that call as interrupted, tells the model, and never does it again.
//!
//! Not here: what the tools do ([`crate::tools`]), models and budgets (the orchestrator).

mod act;
mod analyse;
mod ask;
mod claim;
mod compile;
mod manners;
mod means;
mod situation;
mod state;
mod stuck;
#[cfg(test)]
mod tests;
mod think;
mod verify;
mod words;

use std::rc::Rc;

use protocol::{AgentSpec, Checkpoint, Outbox, Verdict};
use tokio_util::sync::CancellationToken;
use types::ModelFacts;

use crate::flow::{BuildError, Flow, FlowBuilder, Policy, To};
use crate::outcome::{self, RunError};
use crate::session::Desk;
use crate::step::Runner;
use act::{Act, ActAction};
use analyse::{Analyse, AnalyseAction};
use compile::{Compile, CompileAction};
use means::Means;
use state::State;
use think::{Think, ThinkAction};
use verify::{Verify, VerifyAction};

/// Far more than the budgets of a job allow; they end it, not this.
const MAX_TRANSITIONS: usize = 10_000_000;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Word for word.
    pub(crate) prompt: String,
    /// Who answers first.
    pub(crate) model: ModelFacts,
}

/// Works on a task, from the spec's checkpoint if it has one.
pub(crate) async fn run(
    spec: AgentSpec,
    task: Task,
    runner: Rc<Runner>,
    desk: Desk,
    cancel: &CancellationToken,
) -> Verdict {
    let outbox = Rc::clone(&runner.outbox);
    let start = State::new(&runner, &spec);
    let resumes = spec.resumes.is_some() && spec.checkpoint.is_some();
    let means = match Means::new(task, runner, desk, resumes).await {
        Ok(means) => means,
        Err(error) => return Verdict::Failed { error: error.to_string() },
    };
    let ran = run_flow(&means, start, spec.checkpoint, cancel, &outbox).await;
    means.keep_context(true).await;
    outcome::verdict(ran)
}

/// The flow as a Mermaid drawing.
///
/// # Errors
/// If the flow is not well built, which a test excludes.
pub(crate) fn drawing() -> Result<String, BuildError> {
    Ok(flow()?.to_string())
}

async fn run_flow(
    means: &Means,
    start: State,
    checkpoint: Option<Checkpoint>,
    cancel: &CancellationToken,
    outbox: &Outbox,
) -> Result<Option<Verdict>, RunError> {
    let flow = flow()?;
    let mut position = outcome::position(&flow, start, checkpoint)?;
    if means.resumes {
        means.toolbox.runner().find_again(&mut position.state.cwd).await;
    }
    Ok(flow.run(position, means, cancel, outbox).await?.verdict)
}

fn flow() -> Result<Flow<State, Means>, BuildError> {
    FlowBuilder::new(MAX_TRANSITIONS)
        .node("analyse", Analyse, Policy::once(), |action| match action {
            AnalyseAction::Act => To::Node("act"),
            AnalyseAction::Think => To::Node("think"),
            AnalyseAction::Over => To::Node("compile"),
        })
        .node("think", Think, Policy::once(), |action| match action {
            ThinkAction::Act => To::Node("act"),
            ThinkAction::Again => To::Node("think"),
            ThinkAction::Over => To::Node("compile"),
        })
        .node("act", Act, Policy::once(), |action| match action {
            ActAction::Next => To::Node("act"),
            ActAction::Think => To::Node("think"),
            ActAction::Verify => To::Node("verify"),
            ActAction::Over => To::Node("compile"),
        })
        .node("verify", Verify, Policy::once(), |action| match action {
            VerifyAction::Next => To::Node("verify"),
            VerifyAction::Think => To::Node("think"),
            VerifyAction::Over => To::Node("compile"),
        })
        .node("compile", Compile, Policy::once(), |CompileAction::Finish| To::End)
        .build()
}
