use protocol::Verdict;
use tokio_util::sync::CancellationToken;
use types::{Reason, Resumes, StepOutcome};

use super::{State, Tools};
use crate::flow::{Node, NodeError, actions};
use crate::step::{Place, Ran};
use runbook::{Block, Work};

actions! {
    /// What [`Read`] decides.
    pub(super) enum ReadAction {
        /// There is a block to run.
        Run = "run",
        /// There is none left.
        Done = "done",
    }
}

actions! {
    /// What [`Step`] decides.
    pub(super) enum StepAction {
        /// Go on.
        Next = "next",
        /// The runbook ends here.
        Failed = "failed",
    }
}

actions! {
    /// What [`Compile`] decides.
    pub(super) enum CompileAction {
        /// Nothing is left to do.
        Finish = "finish",
    }
}

/// Takes the next block.
pub(super) struct Read;

impl Node<State, Tools> for Read {
    type In = u32;
    type Out = bool;
    type Action = ReadAction;

    fn prepare(&self, state: &State) -> u32 {
        state.step + 1
    }

    async fn execute(
        &self,
        step: &u32,
        tools: &Tools,
        _: &CancellationToken,
    ) -> Result<bool, NodeError> {
        Ok(tools.block(*step).is_some())
    }

    fn decide(&self, state: &mut State, step: u32, exists: bool) -> ReadAction {
        if !exists {
            return ReadAction::Done;
        }
        state.step = step;
        state.armed = true;
        ReadAction::Run
    }
}

/// Runs the block.
pub(super) struct Step;

pub(super) struct StepIn {
    step: u32,
    armed: bool,
    place: Place,
}

/// How the step went, and how the job ends if it ends with it.
pub(super) struct StepOut {
    ran: Ran,
    failure: Option<Verdict>,
}

impl Node<State, Tools> for Step {
    type In = StepIn;
    type Out = StepOut;
    type Action = StepAction;

    fn prepare(&self, state: &State) -> StepIn {
        let place = Place { cwd: state.cwd.clone(), environment: state.environment.clone() };
        StepIn { step: state.step, armed: state.armed, place }
    }

    async fn execute(
        &self,
        input: &StepIn,
        tools: &Tools,
        cancel: &CancellationToken,
    ) -> Result<StepOut, NodeError> {
        let step = input.step;
        let block = tools.block(step).ok_or_else(|| format!("the runbook has no block {step}"))?;
        let ran = match (input.armed, tools.resumes) {
            (false, None) => tools.runner.interrupted(step).await,
            (false, Some(Resumes { step: Some(last), .. }))
                if last.step == step && last.outcome != StepOutcome::Interrupted =>
            {
                tools.runner.ended_before(last).await
            }
            _ => tools.runner.run(step, block, &input.place, cancel).await?,
        };
        let failure = failure(step, block, &ran);
        if let Some(warning) = &ran.warning
            && failure.is_none()
            && tools.block(step + 1).is_some()
        {
            tools.runner.warn(warning.clone()).await;
        }
        Ok(StepOut { ran, failure })
    }

    fn decide(&self, state: &mut State, _: StepIn, output: StepOut) -> StepAction {
        state.armed = false;
        state.failure = output.failure;
        if let Some(place) = output.ran.place {
            state.cwd = place.cwd;
            state.environment = place.environment;
        }
        if state.failure.is_some() { StepAction::Failed } else { StepAction::Next }
    }
}

/// Says how it all went.
pub(super) struct Compile;

impl Node<State, Tools> for Compile {
    type In = Option<Verdict>;
    type Out = Verdict;
    type Action = CompileAction;

    fn prepare(&self, state: &State) -> Option<Verdict> {
        state.failure.clone()
    }

    async fn execute(
        &self,
        failure: &Option<Verdict>,
        _: &Tools,
        _: &CancellationToken,
    ) -> Result<Verdict, NodeError> {
        Ok(failure.clone().unwrap_or(Verdict::Complete))
    }

    fn decide(&self, state: &mut State, _: Option<Verdict>, verdict: Verdict) -> CompileAction {
        state.verdict = Some(verdict);
        CompileAction::Finish
    }
}

impl Tools {
    fn block(&self, step: u32) -> Option<&Block> {
        self.blocks.get(usize::try_from(step).ok()?.checked_sub(1)?)
    }
}

/// How the job ends with this step, if it does.
fn failure(step: u32, block: &Block, ran: &Ran) -> Option<Verdict> {
    let at = format!("step {step} ({}, line {})", block.title, block.line);
    let code = ran.exit_code.unwrap_or(-1);
    let (limit, expected, tolerant) = match &block.work {
        Work::Run { timeout_seconds, expect_exit, continue_on_error, .. } => {
            (timeout_seconds.unwrap_or_default(), *expect_exit, *continue_on_error)
        }
        Work::File { .. } => (0, 0, false),
    };
    match ran.outcome {
        StepOutcome::Ok | StepOutcome::Tolerated => None,
        StepOutcome::TimedOut if tolerant => None,
        StepOutcome::TimedOut => Some(Verdict::StepTimeout {
            step,
            error: format!("{at} ran longer than its timeout of {limit} s"),
        }),
        StepOutcome::Failed if expected == 0 => Some(Verdict::StepFailed {
            step,
            exit_code: code,
            error: format!("{at} failed with exit code {code}{}", hint(code)),
        }),
        StepOutcome::Failed => Some(Verdict::StepFailed {
            step,
            exit_code: code,
            error: format!("{at} ended with exit code {code}, {expected} was expected"),
        }),
        StepOutcome::Rejected => Some(Verdict::GaveUp {
            reason: Reason::Rejected,
            error: match &ran.rejected {
                Some(why) => format!("{at} was rejected by a person: {why}"),
                None => format!("{at} was rejected by a person"),
            },
        }),
        StepOutcome::Cancelled => Some(Verdict::Cancelled),
        StepOutcome::Interrupted => Some(Verdict::Failed {
            error: format!(
                "{at} was interrupted: the sandbox's agent ended while it may have been running; \
                 it is not run twice"
            ),
        }),
    }
}

/// What an exit code says that people may not know.
fn hint(code: i32) -> &'static str {
    match code - 128 {
        // SIGXFSZ
        25 => ": a file grew beyond limits.file_bytes",
        _ => "",
    }
}
