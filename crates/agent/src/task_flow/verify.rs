//! The node that does not believe: it runs the checks, one a visit as [`super::act`] does calls,
//! and looks for the files.

use protocol::Verdict;
use tokio_util::sync::CancellationToken;
use types::{CheckResult, JobResult, Part, Reason};

use super::claim::{Claim, holds, may_try_again};
use super::means::Means;
use super::state::{State, Turn};
use super::stuck::Trail;
use super::words;
use crate::flow::{Node, NodeError, actions};
use crate::step::Place;

actions! {
    /// What [`Verify`] decides.
    pub(super) enum VerifyAction {
        /// There is more to check.
        Next = "next",
        /// The model is not done: something is missing, or a person spoke.
        Think = "think",
        /// The job ends here.
        Over = "over",
    }
}

/// Checks a claim.
pub(super) struct Verify;

pub(super) struct VerifyIn {
    armed: bool,
    /// The number of the next step.
    step: u32,
    place: Place,
    claim: Claim,
    rejections: u32,
    turn: Turn,
    trail: Trail,
}

pub(super) enum Verified {
    /// One more check.
    Check(CheckResult),
    /// All there is to find.
    All(Box<Found>),
}

pub(super) struct Found {
    result: JobResult,
    rejected: bool,
    trail: Trail,
    /// How the job ends, if it does.
    verdict: Option<Verdict>,
}

impl Node<State, Means> for Verify {
    type In = VerifyIn;
    type Out = Verified;
    type Action = VerifyAction;

    fn prepare(&self, state: &State) -> VerifyIn {
        VerifyIn {
            armed: state.armed,
            step: state.step + 1,
            place: state.place(),
            claim: state.claim.clone().unwrap_or_default(),
            rejections: state.rejections,
            turn: state.turn.clone(),
            trail: state.trail.clone(),
        }
    }

    async fn execute(
        &self,
        input: &VerifyIn,
        means: &Means,
        cancel: &CancellationToken,
    ) -> Result<Verified, NodeError> {
        let Some(check) = input.claim.next() else {
            return Ok(Verified::All(Box::new(means.judge(input).await?)));
        };
        if !input.armed {
            means.toolbox.interrupted(input.step).await;
            let (what, command) = (check.what.clone(), Some(check.command.clone()));
            let found = "interrupted".into();
            return Ok(Verified::Check(CheckResult { what, command, passed: false, found }));
        }
        let found = means.toolbox.check(input.step, check, &input.place, cancel).await;
        Ok(Verified::Check(found.unwrap_or_else(|error| CheckResult {
            what: check.what.clone(),
            command: Some(check.command.clone()),
            passed: false,
            found: words::broken(&error.to_string()),
        })))
    }

    fn decide(&self, state: &mut State, mut input: VerifyIn, output: Verified) -> VerifyAction {
        state.armed = true;
        let found = match output {
            Verified::Check(result) => {
                state.step += 1;
                input.claim.put(result);
                state.claim = Some(input.claim);
                return VerifyAction::Next;
            }
            Verified::All(found) => *found,
        };
        state.claim = None;
        state.rejections += u32::from(found.rejected);
        state.trail = found.trail;
        state.result = Some(found.result);
        state.verdict = found.verdict;
        if state.verdict.is_some() { VerifyAction::Over } else { VerifyAction::Think }
    }
}

impl Means {
    /// What a claim comes to when its commands are run.
    async fn judge(&self, input: &VerifyIn) -> Result<Found, NodeError> {
        let mut files = Vec::new();
        for path in &input.claim.finish.artifacts {
            files.push(self.look_for(path).await);
        }
        let result = input.claim.clone().result(files);
        let rejected = !holds(&result.checks);
        let failed = input.rejections + u32::from(rejected);
        let gave_up = || Verdict::GaveUp {
            reason: Reason::ChecksFailed,
            error: words::checks_failed(&result.checks),
        };
        let (said, mut verdict) = if rejected {
            let over = (!may_try_again(failed)).then(gave_up);
            (words::rejected(&result.checks), over)
        } else if self.is_spoken_to() {
            // Whoever speaks now would not be heard after the end.
            (words::SPOKEN_TO.into(), None)
        } else {
            (words::ACCEPTED.into(), Some(Verdict::Complete))
        };
        if verdict.is_none() {
            self.show(&said).await;
        }
        self.put(input.claim.call, vec![Part::text(said)], verdict != Some(Verdict::Complete));
        let mut trail = input.trail.clone();
        if let Some(error) = self.close(&input.turn, &mut trail).await? {
            verdict.get_or_insert(Verdict::GaveUp { reason: Reason::Stuck, error });
        }
        Ok(Found { result, rejected, trail, verdict })
    }

    async fn look_for(&self, path: &str) -> CheckResult {
        self.toolbox.exists(path).await.unwrap_or_else(|error| CheckResult {
            what: format!("{path} is there"),
            command: None,
            passed: false,
            found: words::broken(&error.to_string()),
        })
    }
}
