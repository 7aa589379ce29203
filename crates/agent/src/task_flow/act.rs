//! The node that does what the model wants, one call a visit, so that a checkpoint says which call
//! is begun.

use protocol::{ReportKind, Verdict};
use tokio_util::sync::CancellationToken;
use types::{Part, Plan, Reason, StepOutcome, ToolCall};

use super::claim::{Claim, bounded};
use super::means::Means;
use super::state::{State, Turn};
use super::stuck::Trail;
use super::words;
use crate::flow::{Node, NodeError, actions};
use crate::step::Place;
use crate::tools::{self, Action, Finish, StepAction};

/// The most calls of one answer that are done.
const MOST_CALLS: usize = 32;

/// Calls that begin no step.
const NO_STEPS: [&str; 3] = ["plan", "recall", "finish"];

actions! {
    /// What [`Act`] decides.
    pub(super) enum ActAction {
        /// The answer has more calls.
        Next = "next",
        /// The model is to see the results.
        Think = "think",
        /// The model says that all is done.
        Verify = "verify",
        /// The job ends here.
        Over = "over",
    }
}

/// Does the next call.
pub(super) struct Act;

pub(super) struct ActIn {
    armed: bool,
    /// The number of the next step.
    step: u32,
    place: Place,
    plan: Option<Plan>,
    turn: Turn,
    trail: Trail,
}

pub(super) struct Acted {
    /// Whether a step was begun.
    stepped: bool,
    place: Option<Place>,
    plan: Option<Plan>,
    turn: Turn,
    trail: Trail,
    then: Then,
}

enum Then {
    Next,
    Think,
    Verify,
    Over(Verdict),
}

/// What came of a call.
#[derive(Default)]
struct Effect {
    parts: Vec<Part>,
    is_error: bool,
    stepped: bool,
    place: Option<Place>,
    plan: Option<Plan>,
    finish: Option<Finish>,
}

impl Node<State, Means> for Act {
    type In = ActIn;
    type Out = Acted;
    type Action = ActAction;

    fn prepare(&self, state: &State) -> ActIn {
        ActIn {
            armed: state.armed,
            step: state.step + 1,
            place: state.place(),
            plan: state.plan.clone(),
            turn: state.turn.clone(),
            trail: state.trail.clone(),
        }
    }

    async fn execute(
        &self,
        input: &ActIn,
        means: &Means,
        cancel: &CancellationToken,
    ) -> Result<Acted, NodeError> {
        let (mut turn, mut trail) = (input.turn.clone(), input.trail.clone());
        let at = turn.next;
        let effect = match means.call(at) {
            Some(call) if input.armed => means.perform(input, &call, cancel).await?,
            _ => means.interrupted(input, &mut turn).await,
        };
        means.settle(&mut turn, at, &effect);
        let then = means.follow(&mut turn, &mut trail).await?;
        let Effect { stepped, place, plan, .. } = effect;
        Ok(Acted { stepped, place, plan, turn, trail, then })
    }

    fn decide(&self, state: &mut State, _: ActIn, acted: Acted) -> ActAction {
        state.step += u32::from(acted.stepped);
        state.go_to(acted.place);
        state.plan = acted.plan.or(state.plan.take());
        (state.turn, state.trail, state.armed) = (acted.turn, acted.trail, true);
        match acted.then {
            Then::Next => ActAction::Next,
            Then::Think => ActAction::Think,
            Then::Verify => {
                let finish = state.turn.finish.take();
                let claim = |(call, finish)| Claim::new(call, finish, state.plan.as_ref());
                state.claim = finish.map(claim);
                ActAction::Verify
            }
            Then::Over(verdict) => {
                state.verdict = Some(verdict);
                ActAction::Over
            }
        }
    }
}

impl Means {
    async fn perform(
        &self,
        input: &ActIn,
        call: &ToolCall,
        cancel: &CancellationToken,
    ) -> Result<Effect, NodeError> {
        if input.turn.next >= MOST_CALLS {
            return Ok(Effect::error(words::too_many(MOST_CALLS)));
        }
        match tools::parse(call) {
            Err(wrong) => {
                self.show(&wrong).await;
                Ok(Effect::error(wrong))
            }
            Ok(Action::Step(action)) => Ok(self.step(input, &action, cancel).await),
            Ok(Action::Plan(plan)) => self.plan(plan, input.plan.as_ref()).await,
            Ok(Action::Recall { query }) => Ok(Effect::said(self.context.borrow().recall(&query)?)),
            Ok(Action::Finish(finish)) => Ok(Effect { finish: Some(finish), ..Effect::default() }),
        }
    }

    /// What the agent itself cannot do is an error for the model too: it may have filled the disk
    /// or the process table, and can put that right.
    async fn step(&self, input: &ActIn, action: &StepAction, cancel: &CancellationToken) -> Effect {
        let images = self.model.borrow().images;
        match self.toolbox.perform(input.step, action, &input.place, images, cancel).await {
            Ok(done) => Effect {
                parts: done.parts,
                is_error: done.outcome != StepOutcome::Ok,
                stepped: true,
                place: done.place,
                ..Effect::default()
            },
            Err(error) => {
                Effect { stepped: true, ..Effect::error(words::broken(&error.to_string())) }
            }
        }
    }

    /// A new plan. What one that only tells progress leaves out, stays.
    async fn plan(&self, plan: Plan, before: Option<&Plan>) -> Result<Effect, NodeError> {
        let mut plan = bounded(plan);
        if let Some(before) = before {
            if plan.checks.is_empty() {
                plan.checks.clone_from(&before.checks);
            }
            if plan.deliverables.is_empty() {
                plan.deliverables.clone_from(&before.deliverables);
            }
        }
        self.context.borrow_mut().set_plan(plan.clone())?;
        self.report(ReportKind::Plan { plan: plan.clone() }).await;
        Ok(Effect { plan: Some(plan), ..Effect::said(words::PLANNED.into()) })
    }

    /// The call that an earlier agentd may have begun; those after it are not done.
    async fn interrupted(&self, input: &ActIn, turn: &mut Turn) -> Effect {
        let begun = turn.next;
        turn.next = turn.calls.len();
        let is_step = turn.calls.get(begun).is_some_and(|call| !NO_STEPS.contains(&&*call.tool));
        let effect = if is_step {
            let parts = self.toolbox.interrupted(input.step).await.parts;
            Effect { parts, is_error: true, stepped: true, ..Effect::default() }
        } else {
            Effect::error(words::NOT_DONE.into())
        };
        for at in begun + 1..turn.calls.len() {
            self.put(at, vec![Part::text(words::NOT_DONE)], true);
        }
        effect
    }

    /// Writes down what came of a call. A claim waits until everything else is done.
    fn settle(&self, turn: &mut Turn, at: usize, effect: &Effect) {
        turn.failed |= effect.is_error;
        let Some(finish) = &effect.finish else {
            return self.put(at, effect.parts.clone(), effect.is_error);
        };
        if let Some((before, _)) = turn.finish.replace((at, finish.clone())) {
            self.put(before, vec![Part::text(words::SUPERSEDED)], true);
        }
    }

    /// What comes after a call.
    async fn follow(&self, turn: &mut Turn, trail: &mut Trail) -> Result<Then, NodeError> {
        if turn.next + 1 < turn.calls.len() {
            turn.next += 1;
            return Ok(Then::Next);
        }
        match turn.finish.take_if(|_| turn.failed) {
            Some((at, _)) => {
                self.show(words::NOT_ALONE).await;
                self.put(at, vec![Part::text(words::NOT_ALONE)], true);
            }
            None if turn.finish.is_some() => return Ok(Then::Verify),
            None => {}
        }
        Ok(match self.close(turn, trail).await? {
            None => Then::Think,
            Some(error) => Then::Over(Verdict::GaveUp { reason: Reason::Stuck, error }),
        })
    }
}

impl Effect {
    fn said(text: String) -> Self {
        Self { parts: vec![Part::text(text)], ..Self::default() }
    }

    fn error(text: String) -> Self {
        Self { is_error: true, ..Self::said(text) }
    }
}
