//! A job's questions to models: what `ask` does, with a model that answers by itself.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::gateway::SinkError;
use store::{Draft, Durability, Reserved};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::{EventKind, Limits, ModelCall, TokenUsage};

use super::gateway::Gateway;
use crate::ask::pay;
use crate::spend::{self, Wanted};

/// Whom the job's agent asks, and what that may cost.
pub(super) struct Asking {
    limits: Limits,
    turns: Arc<Semaphore>,
}

impl Asking {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, turns: Arc::new(Semaphore::new(2)) }
    }

    /// Waits until no question is open; nothing is asked after that.
    pub(super) async fn stop(&self) {
        drop(self.turns.acquire_many(2).await);
        self.turns.close();
    }
}

impl Gateway {
    /// Whether the model answered; if not, the job's budget is spent.
    pub(super) async fn model(self: &Rc<Self>, key: Option<&str>) -> Result<bool, SinkError> {
        self.admit(key).await?;
        let asking = &self.asking;
        let busy = |_| SinkError::Unavailable("2 questions are being answered".into());
        let turn = asking.turns.clone().try_acquire_owned().map_err(busy)?;
        let taken_back = CancellationToken::new();
        let _guard = taken_back.clone().drop_guard();
        let this = self.clone();
        self.door(async move {
            let _turn = turn;
            this.answer(&taken_back).await
        })
        .await
    }

    async fn answer(&self, taken_back: &CancellationToken) -> Result<bool, SinkError> {
        let asking = &self.asking;
        let input_tokens = self.world.dice().u64(1..600);
        let wanted = Wanted { input_tokens, output_tokens: 500, price: None };
        let limits = asking.limits;
        let paid = self.insist(Durability::Grouped, move |draft| pay(draft, wanted, &limits));
        let granted = match paid.await {
            Ok(granted) => granted,
            Err((_, ending)) => {
                self.decide(ending);
                return Ok(false);
            }
        };
        let reserved = wanted.with(granted.into());
        let output_tokens = u64::from(granted);
        {
            let mut facts = self.world.facts(self.job);
            facts.provider_calls += 1;
            facts.provider_tokens += input_tokens + output_tokens;
        }
        let thinks = Duration::from_millis(self.world.dice().u64(..3000));
        let answered = taken_back.run_until_cancelled(sleep(thinks)).await.is_some();
        if !answered {
            self.world.facts(self.job).provider_tokens -= output_tokens;
        }
        self.keep(input_tokens, if answered { output_tokens } else { 0 }, reserved).await;
        if answered { Ok(true) } else { Err(SinkError::Unavailable("not answered".into())) }
    }

    async fn keep(&self, input_tokens: u64, output_tokens: u64, reserved: Reserved) {
        let usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
        let (provider, model) = ("fake".into(), "fake".into());
        let call = ModelCall { provider, model, usage, cost_usd: None, millis: 1, error: None };
        let change = move |draft: &mut Draft| {
            spend::settle(&mut draft.state.session.spend, &call, reserved);
            draft.append(jiff::Timestamp::UNIX_EPOCH, EventKind::ModelCall { call });
        };
        self.insist(Durability::Grouped, change).await;
    }

    async fn insist<R>(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Clone,
    ) -> R {
        loop {
            if let Some(answer) = self.world.update(self.job, durability, change.clone()).await {
                return answer;
            }
        }
    }
}
