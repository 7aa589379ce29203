//! A job's questions to models: each call of a provider is paid for before it is made and recorded
//! after it, whatever becomes of the question.
//!
//! Not here: what may be spent ([`crate::spend`]), whom to ask and how (crate `models`).

use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use gateway::SinkError;
use jiff::Timestamp;
use models::{Choice, Meter, Models, OverBudget, Price, UnknownModel};
use store::{Draft, Durability};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use types::{
    Ending, EventKind, Limits, ModelAnswer, ModelCall, ModelFacts, ModelRequest, Part, TokenUsage,
    Turn,
};

use crate::bound;
use crate::sink::JobSink;
use crate::spend::{self, Reserved};

/// Questions of one job at one time. An agent has one; after a broken connection it may ask again
/// before the end of the old one was noticed.
const QUESTIONS: u32 = 2;

/// Bytes of text in a token, where nothing better is known.
const TOKEN_BYTES: u64 = 4;

/// Whom one job's agent asks, and what that may cost.
#[derive(Debug)]
pub(crate) struct Asking {
    models: Arc<Models>,
    choice: Choice,
    limits: Limits,
    turns: Arc<Semaphore>,
    /// What calls under way may come to.
    reserved: Mutex<Reserved>,
}

impl Asking {
    /// # Errors
    /// When nobody has that model.
    pub(crate) fn new(
        models: Arc<Models>,
        model: Option<&str>,
        limits: Limits,
    ) -> Result<Self, UnknownModel> {
        let choice = models.choose(model)?;
        let turns = Arc::new(Semaphore::new(QUESTIONS as usize));
        Ok(Self { models, choice, limits, turns, reserved: Mutex::default() })
    }

    /// Who answers first; none if nobody is left to ask.
    pub(crate) fn facts(&self) -> Option<ModelFacts> {
        self.models.facts(&self.choice)
    }

    fn price(&self, of: &ModelFacts) -> Option<Price> {
        self.models.price(of)
    }
}

impl JobSink {
    /// Asks. When this is dropped the question is taken back; a call under way is recorded then,
    /// too.
    pub(crate) async fn model(
        self: Arc<Self>,
        question: ModelRequest,
    ) -> Result<ModelAnswer, SinkError> {
        let asking = self.asking.as_ref().ok_or_else(|| refused("a runbook asks no model"))?;
        let turn = asking.turns.clone().try_acquire_owned().map_err(|_| {
            SinkError::Unavailable(format!("{QUESTIONS} questions are being answered; wait"))
        })?;
        let taken_back = CancellationToken::new();
        let _guard = taken_back.clone().drop_guard();
        let this = self.clone();
        let answer = self.inner.tasks.spawn(async move {
            let _turn = turn;
            this.ask(question, &taken_back).await
        });
        let answer = answer.await.ok().flatten();
        answer.ok_or_else(|| SinkError::Unavailable("the question was not answered".into()))
    }

    /// Waits until every question was taken back and recorded; nothing is asked after that.
    pub(crate) async fn stop_asking(&self) {
        if let Some(asking) = &self.asking {
            drop(asking.turns.acquire_many(QUESTIONS).await);
            asking.turns.close();
        }
    }

    async fn ask(
        &self,
        mut question: ModelRequest,
        taken_back: &CancellationToken,
    ) -> Option<ModelAnswer> {
        let asking = self.asking.as_ref()?;
        question.max_output_tokens = self.affordable(asking, &question).await?;
        let output_tokens = question.max_output_tokens.into();
        let till = Till { sink: self, asking, output_tokens, open: Lock::default() };
        let asked = asking.models.ask(&asking.choice, &question, &till);
        let answer = taken_back.run_until_cancelled(asked).await;
        till.close().await;
        answer
    }

    async fn affordable(&self, asking: &Asking, question: &ModelRequest) -> Option<u32> {
        let (wanted, input) = (question.max_output_tokens, estimate(question));
        let price = asking.facts().and_then(|facts| asking.price(&facts));
        let limits = asking.limits;
        let change = move |draft: &mut Draft| {
            spend::affordable(wanted, input, price, &draft.state.session.spend, &limits)
        };
        self.inner.insist(self.job, Durability::Grouped, change).await
    }
}

/// Keeps count of one question's calls, of which one is made at a time.
struct Till<'a> {
    sink: &'a JobSink,
    asking: &'a Asking,
    /// The most that one answer may have.
    output_tokens: u64,
    /// The call that was paid for and is not recorded yet.
    open: Lock<Option<Open>>,
}

struct Open {
    reserved: Reserved,
    input_tokens: u64,
    facts: ModelFacts,
    began: Instant,
}

#[async_trait]
impl Meter for Till<'_> {
    async fn reserve(&self, tokens: u64, facts: &ModelFacts) -> Result<(), OverBudget> {
        let input_tokens = tokens.saturating_sub(self.output_tokens);
        let call = Reserved::new(input_tokens, self.output_tokens, self.asking.price(facts));
        let mut reserved = self.asking.reserved.lock().await;
        let (others, limits) = (*reserved, self.asking.limits);
        let change = move |draft: &mut Draft| pay(draft, call, others, &limits);
        match self.sink.inner.insist(self.sink.job, Durability::Grouped, change).await {
            Some(Ok(())) => {
                *reserved = others.plus(call);
                let (facts, began) = (facts.clone(), Instant::now());
                *self.open() = Some(Open { reserved: call, input_tokens, facts, began });
                Ok(())
            }
            Some(Err((over, ending))) => {
                self.sink.decide(ending);
                Err(over)
            }
            // The orchestrator is stopping: the question is taken back in a moment.
            None => std::future::pending().await,
        }
    }

    async fn record(&self, call: ModelCall) {
        let open = self.open().take();
        self.keep(call, open.map(|open| open.reserved).unwrap_or_default()).await;
    }
}

impl Till<'_> {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call that nobody waited for: what was sent counts, what came back nobody knows.
    async fn close(&self) {
        let Some(Open { reserved, input_tokens, facts, began }) = self.open().take() else {
            return;
        };
        let usage = TokenUsage { input_tokens, estimated: true, ..TokenUsage::default() };
        let cost_usd = self.asking.price(&facts).map(|price| price.of(&usage));
        let call = ModelCall {
            provider: facts.provider,
            model: facts.model,
            usage,
            cost_usd,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            error: Some("the question was taken back before it was answered".into()),
        };
        self.keep(call, reserved).await;
    }

    async fn keep(&self, call: ModelCall, paid: Reserved) {
        let call = ModelCall { error: call.error.map(bound::text), ..call };
        // Held until it is recorded: what it was worth must not be spent in between.
        let mut reserved = self.asking.reserved.lock().await;
        let change = move |draft: &mut Draft| {
            spend::add(&mut draft.state.session.spend, &call);
            draft.append(Timestamp::now(), EventKind::ModelCall { call });
        };
        if self.sink.inner.insist(self.sink.job, Durability::Grouped, change).await.is_none() {
            tracing::warn!(job = %self.sink.job, "a call of a model could not be recorded");
        }
        *reserved = reserved.minus(paid);
    }
}

/// Pays for a call, or decides that the job is over: it is then, whatever its agent says.
fn pay(
    draft: &mut Draft,
    call: Reserved,
    others: Reserved,
    limits: &Limits,
) -> Result<(), (OverBudget, Ending)> {
    let session = &mut draft.state.session;
    let paid = match &session.verdict {
        Some(Ending { reason, error, .. }) => {
            Err(OverBudget { reason: *reason, error: error.clone().unwrap_or_default() })
        }
        None => spend::reserve(&mut session.spend, call, others, limits),
    };
    paid.map_err(|over| {
        let ending = || Ending::error(over.reason, &*over.error);
        let ending = session.verdict.get_or_insert_with(ending).clone();
        (over, ending)
    })
}

/// About how many tokens the text of a question has.
fn estimate(question: &ModelRequest) -> u64 {
    let part = |part: &Part| match part {
        Part::Text { text } => text.len(),
        Part::Image { .. } => 0,
    };
    let turn = |turn: &Turn| -> usize {
        match turn {
            Turn::User { parts } => parts.iter().map(part).sum(),
            Turn::Model(turn) => {
                let calls = turn.calls.iter().map(|call| call.arguments.to_string().len());
                turn.text.len() + calls.sum::<usize>()
            }
            Turn::Results { results } => {
                results.iter().flat_map(|result| &result.parts).map(part).sum()
            }
        }
    };
    let bytes = question.system.len() + question.turns.iter().map(turn).sum::<usize>();
    bytes as u64 / TOKEN_BYTES
}

fn refused(text: &str) -> SinkError {
    SinkError::Refused(text.into())
}
