//! A job's questions to models: each call of a provider is paid for before it is made and recorded
//! after it, whatever becomes of the question.
//!
//! Not here: what may be spent ([`crate::spend`]), whom to ask and how (crate `models`).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use gateway::SinkError;
use models::{Choice, Meter, Models, OverBudget, Price, UnknownModel};
use store::{Draft, Durability, Reserved};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use types::{
    Ending, EventKind, Limits, ModelAnswer, ModelCall, ModelFacts, ModelRequest, NoticeLevel,
    Reason, TokenUsage,
};

use crate::bound;
use crate::sink::JobSink;
use crate::spend::{self, Wanted};

/// Questions of one job at one time. An agent has one; after a broken connection it may ask again
/// before the end of the old one was noticed.
const QUESTIONS: u32 = 2;

/// Why nobody saw a call to its end.
const TAKEN_BACK: &str = "the question was taken back before it was answered";
const BROKE: &str = "the orchestrator failed while it asked a model; its log says where";

/// Whom one job's agent asks, and what that may cost.
#[derive(Debug)]
pub(crate) struct Asking {
    models: Arc<Models>,
    choice: Choice,
    limits: Limits,
    turns: Arc<Semaphore>,
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
        Ok(Self { models, choice, limits, turns })
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
        let asked = async move {
            let _turn = turn;
            this.ask(question, taken_back).await
        };
        let answer = self.inner.tasks.spawn(asked.in_current_span());
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
        question: ModelRequest,
        taken_back: CancellationToken,
    ) -> Option<ModelAnswer> {
        let asking = self.asking.as_ref()?;
        let till = Till { sink: self, asking, taken_back, open: Mutex::default() };
        let asked = unless_it_panics(asking.models.ask(&asking.choice, &question, &till));
        let answer = till.until_taken_back(asked).await;
        till.close(if answer.is_none() { TAKEN_BACK } else { BROKE }).await;
        answer
    }
}

/// A question that broke us would do so again: the job ends, and what was paid is still recorded.
async fn unless_it_panics(asked: impl Future<Output = ModelAnswer>) -> ModelAnswer {
    AssertUnwindSafe(asked).catch_unwind().await.unwrap_or_else(|_| ModelAnswer::Failed {
        reason: Reason::ModelUnavailable,
        error: BROKE.into(),
    })
}

/// Keeps count of one question's calls, of which one is made at a time.
struct Till<'a> {
    sink: &'a JobSink,
    asking: &'a Asking,
    /// Whether nobody wants the answer any more.
    taken_back: CancellationToken,
    /// The call that was paid for and is not recorded yet; locked while either is being done.
    open: Mutex<Option<Open>>,
}

struct Open {
    reserved: Reserved,
    input_tokens: u64,
    facts: ModelFacts,
    began: Instant,
}

#[async_trait]
impl Meter for Till<'_> {
    async fn reserve(
        &self,
        input_tokens: u64,
        output_tokens: u32,
        facts: &ModelFacts,
    ) -> Result<u32, OverBudget> {
        let wanted = Wanted { input_tokens, output_tokens, price: self.asking.price(facts) };
        let limits = self.asking.limits;
        let change = move |draft: &mut Draft| pay(draft, wanted, &limits);
        let mut open = self.open.lock().await;
        match self.sink.inner.insist(self.sink.job, Durability::Grouped, change).await {
            Some(Ok(granted)) => {
                let (facts, began) = (facts.clone(), Instant::now());
                let reserved = wanted.with(granted.into());
                if self.taken_back.is_cancelled() {
                    self.give_back(reserved).await;
                    drop(open);
                    return std::future::pending().await;
                }
                *open = Some(Open { reserved, input_tokens, facts, began });
                Ok(granted)
            }
            Some(Err((over, ending))) => {
                self.sink.decide(ending);
                Err(over)
            }
            // The orchestrator is stopping: the question is taken back in a moment.
            None => {
                drop(open);
                std::future::pending().await
            }
        }
    }

    async fn record(&self, call: ModelCall) {
        let mut open = self.open.lock().await;
        let reserved = open.take().map(|open| open.reserved).unwrap_or_default();
        self.keep(call, reserved).await;
    }
}

impl Till<'_> {
    /// Asks until the question is taken back, which waits for what is with the store: given up there,
    /// a call would be paid for and never settled, or recorded and told to nobody.
    async fn until_taken_back<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        let idle = async {
            self.taken_back.cancelled().await;
            drop(self.open.lock().await);
        };
        tokio::select! {
            biased;
            () = idle => None,
            answer = asked => Some(answer),
        }
    }

    /// Records a call that was not seen to its end: what was sent counts, what came back nobody knows.
    async fn close(&self, why: &str) {
        let Some(Open { reserved, input_tokens, facts, began }) = self.open.lock().await.take()
        else {
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
            error: Some(why.into()),
        };
        self.keep(call, reserved).await;
    }

    /// Undoes the payment for a call that is not made.
    async fn give_back(&self, reserved: Reserved) {
        let change =
            move |draft: &mut Draft| spend::give_back(&mut draft.state.session.spend, reserved);
        // What cannot be undone because the orchestrator stops, the next one counts as spent.
        self.sink.inner.insist(self.sink.job, Durability::Grouped, change).await;
    }

    async fn keep(&self, call: ModelCall, reserved: Reserved) {
        let call = ModelCall { error: call.error.map(bound::text), ..call };
        self.sink.inner.metrics.model_called(&call);
        let change = move |draft: &mut Draft| {
            spend::settle(&mut draft.state.session.spend, &call, reserved);
            draft.append(draft.now, EventKind::ModelCall { call });
        };
        if self.sink.inner.insist(self.sink.job, Durability::Grouped, change).await.is_none() {
            tracing::warn!(job = %self.sink.job, "a call of a model could not be recorded");
        }
    }
}

/// Pays for a call, or decides that the job is over: it is then, whatever its agent says.
pub(crate) fn pay(
    draft: &mut Draft,
    call: Wanted,
    limits: &Limits,
) -> Result<u32, (OverBudget, Ending)> {
    let session = &mut draft.state.session;
    let paid = match &session.verdict {
        Some(Ending { reason, error, .. }) => {
            Err(OverBudget { reason: *reason, error: error.clone().unwrap_or_default() })
        }
        None => spend::reserve(&mut session.spend, call, limits),
    };
    paid.map_err(|over| {
        let ending = || Ending::error(over.reason, &*over.error);
        let ending = session.verdict.get_or_insert_with(ending).clone();
        (over, ending)
    })
}

/// Counts calls whose end nobody recorded as what they may have come to.
pub(crate) fn forfeit(draft: &mut Draft) {
    let Some(lost) = spend::forfeit(&mut draft.state.session.spend) else { return };
    let tokens = lost.input_tokens.saturating_add(lost.output_tokens);
    let text = format!(
        "a model was asked, and what that took was not recorded: the server stopped meanwhile, or its \
         store failed; what it may have taken at most counts as spent: {tokens} tokens and ${:.6}",
        lost.cost.dollars()
    );
    draft.append(draft.now, EventKind::Notice { level: NoticeLevel::Warning, text });
}

fn refused(text: &str) -> SinkError {
    SinkError::Refused(text.into())
}

#[cfg(test)]
mod tests;
