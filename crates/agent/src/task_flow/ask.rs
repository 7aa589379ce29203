//! Asking the model: the question, its answers, what is remembered of them.
//!
//! Not here: what follows from an answer (the nodes).

use protocol::{ReportKind, Verdict};
use tokio_util::sync::CancellationToken;
use types::{ModelAnswer, ModelRequest, ModelTurn, Reason, Stop};

use super::manners::Kind;
use super::means::Means;
use super::state::Turn;
use super::words;
use crate::context::{Entry, Frame};
use crate::flow::NodeError;

/// How often a question is made smaller until it fits.
const MAX_SHRINKS: u32 = 8;

/// The most tokens of an answer, where the window is large enough: a long source file fits.
const MAX_OUTPUT_TOKENS: u32 = 16_384;

/// Of what a model says, people are told this much, in bytes.
const MAX_SAID_BYTES: usize = 16 * 1024;

/// What came of a question.
#[derive(Debug)]
pub(super) enum Asked {
    Answer(Answer),
    /// The job ends instead.
    Over(Verdict),
}

/// What a model answered, and how many tokens it had for that.
#[derive(Debug)]
pub(super) struct Answer {
    turn: ModelTurn,
    stop: Stop,
    most_tokens: u32,
}

/// An answer that was taken into the memory.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) kind: Kind,
    pub(super) turn: Turn,
}

impl Means {
    /// Asks, until the question fits.
    pub(super) async fn ask(
        &self,
        must_call: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Asked, NodeError> {
        self.sum_up(cancel).await?;
        for _ in 0..=MAX_SHRINKS {
            let question = self.context.borrow_mut().question(&self.frame(must_call))?;
            match self.answer(&question, cancel).await? {
                None => return Ok(Asked::Over(Verdict::Cancelled)),
                Some(ModelAnswer::Turn { turn, stop, .. }) => {
                    let most_tokens = question.max_output_tokens;
                    return Ok(Asked::Answer(Answer { turn, stop, most_tokens }));
                }
                Some(ModelAnswer::TooLong { .. }) => {}
                Some(ModelAnswer::Failed { reason, error }) => {
                    return Ok(Asked::Over(Verdict::GaveUp { reason, error }));
                }
            }
        }
        let window = self.model.borrow().window_tokens;
        let error = format!(
            "the model's window of {window} tokens is too small even for the shortest question; \
             use a model with a larger one"
        );
        Ok(Asked::Over(Verdict::GaveUp { reason: Reason::ModelUnavailable, error }))
    }

    /// Takes an answer into the memory and tells people what it says.
    pub(super) async fn take(&self, answer: Answer) -> Result<Taken, NodeError> {
        let Answer { mut turn, stop, most_tokens } = answer;
        let kind = Kind::of(&turn, &stop, most_tokens);
        if !turn.text.trim().is_empty() {
            let text = words::cut(turn.text.trim(), MAX_SAID_BYTES);
            self.report(ReportKind::Said { text }).await;
        }
        match &kind {
            Kind::Calls => self.begin(turn.calls.clone()),
            Kind::Prose | Kind::Cut(_) => {}
            // No call of it is done, so none may wait for a result.
            Kind::Flawed(_) => (turn.calls, turn.replay) = (vec![], None),
            Kind::Refused(_) => return Ok(Taken { kind, turn: Turn::default() }),
        }
        let taken = Taken { kind, turn: Turn::of(&turn) };
        self.remember(Entry::Model { turn })?;
        Ok(taken)
    }

    /// Tells the model why its answer was of no use, if it was of none.
    pub(super) async fn answer_back(&self, kind: &Kind) -> Result<(), NodeError> {
        if let Some(text) = words::answer_to(kind) {
            self.admonish(&text).await?;
        }
        Ok(())
    }

    /// Sums up what does not fit, when it is time for that. A model that fails at it is no reason
    /// to end the job: then the memory does it by itself.
    async fn sum_up(&self, cancel: &CancellationToken) -> Result<(), NodeError> {
        let Some(question) = self.context.borrow_mut().summary_due() else { return Ok(()) };
        let Some(answer) = self.answer(&question, cancel).await? else { return Ok(()) };
        let summary = match &answer {
            ModelAnswer::Turn { turn, stop: Stop::Done, .. } => Some(turn.text.trim()),
            _ => None,
        };
        let summary = summary.filter(|text| !text.is_empty());
        self.context.borrow_mut().sum_up(summary)?;
        Ok(())
    }

    /// What a model answers; `None` if the job is cancelled before it does, which takes the
    /// question back.
    async fn answer(
        &self,
        question: &ModelRequest,
        cancel: &CancellationToken,
    ) -> Result<Option<ModelAnswer>, NodeError> {
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(None),
            answer = self.desk.link.ask(question) => answer?,
        };
        self.context.borrow_mut().learn(question, &answer)?;
        if let ModelAnswer::Turn { facts, .. } | ModelAnswer::TooLong { facts } = &answer {
            self.model.replace(facts.clone());
        }
        Ok(Some(answer))
    }

    fn frame(&self, must_call: Option<&str>) -> Frame {
        Frame {
            system: words::SYSTEM.into(),
            tools: self.toolbox.specs(self.model.borrow().images),
            must_call: must_call.map(str::to_owned),
            max_output_tokens: MAX_OUTPUT_TOKENS,
        }
    }
}
