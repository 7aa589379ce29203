//! Who is asked, and who next. [`policy`] decides, [`health`] remembers, [`choice`] reads what people
//! want, [`ask`] does it.

mod ask;
mod choice;
mod health;
mod policy;
mod seat;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;
use types::{ModelAnswer, ModelCall, ModelFacts, ModelRequest, Reason};

pub use self::choice::{Choice, UnknownModel};
use self::health::Health;
use self::seat::Seat;
pub use self::standing::ModelStanding;
use crate::{ModelError, Price, Provider, remote};

/// More models than this were not set by an operator but named by clients; those are forgotten then.
const MOST_REMEMBERED: usize = 256;

/// All that can be asked. Cheap to share; what is learned of a provider's health and window counts
/// for every job.
///
/// Calls are not counted nor queued here: a job asks one thing at a time, so there are never more
/// calls under way than jobs, and how many a provider takes it knows better than we do.
#[derive(Debug)]
pub struct Models {
    providers: Vec<Provider>,
    /// By `provider/model`.
    health: Mutex<HashMap<String, Health>>,
    /// Made for the first question: the certificates of the machine take 5 MiB, and many a server has
    /// no model.
    client: OnceLock<Result<reqwest::Client, ModelError>>,
}

/// A job's budget is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// Which limit, for programs.
    pub reason: Reason,
    /// For people.
    pub error: String,
}

/// Keeps count of what a job spends.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Before each call of a provider: how many tokens its answer may have, of those wanted.
    /// `input_tokens` is our guess at the question as this provider gets it. Counts the call.
    ///
    /// # Errors
    /// When no call may be made any more.
    async fn reserve(
        &self,
        input_tokens: u64,
        output_tokens: u32,
        facts: &ModelFacts,
    ) -> Result<u32, OverBudget>;

    /// After it, answered or not. To be recorded before the answer is used. Not called if the
    /// question is dropped while a provider answers it.
    async fn record(&self, call: ModelCall);
}

impl Models {
    /// These providers, asked in this order.
    #[must_use]
    pub fn new(providers: Vec<Provider>) -> Self {
        Self { providers, health: Mutex::default(), client: OnceLock::new() }
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// Who is asked for a job that wants this: `provider`, `provider/model`, a model that a provider
    /// is set to, or nothing special. The other providers follow in their usual order.
    ///
    /// # Errors
    /// When nobody has it. Whether a provider has a model that it is not set to, only a call says.
    pub fn choose(&self, wanted: Option<&str>) -> Result<Choice, UnknownModel> {
        choice::choose(&self.providers, wanted)
    }

    /// Who would answer a job with this choice now.
    #[must_use]
    pub fn facts(&self, choice: &Choice) -> Option<ModelFacts> {
        let now = Instant::now();
        let seats = self.seats(choice);
        let up = seats.iter().find(|seat| self.health(seat, |health| health.is_up(now)));
        up.or(seats.first()).map(|seat| self.facts_of(seat))
    }

    /// What the tokens of this model cost; none if nobody set it. So that a meter can reserve what a
    /// call may come to.
    #[must_use]
    pub fn price(&self, facts: &ModelFacts) -> Option<Price> {
        self.providers.iter().find(|provider| provider.kind.as_str() == facts.provider)?.price
    }

    /// Whether all that this choice may come to can be counted in money, whoever answers.
    #[must_use]
    pub fn all_priced(&self, choice: &Choice) -> bool {
        self.seats(choice).iter().all(|seat| seat.provider.price.is_some())
    }

    /// Asks, and asks again, and asks others, until somebody answers, nobody can, or the budget is
    /// used up. A conversation stays with whoever answered last in it, for the sake of its cache
    /// and its thought signatures, until that one fails or rests; the turns themselves say who that
    /// was. Dropping the future ends it at once, waits and calls alike.
    pub async fn ask(
        &self,
        choice: &Choice,
        question: &ModelRequest,
        meter: &dyn Meter,
    ) -> ModelAnswer {
        ask::ask(self, choice, question, meter, &|provider, request| {
            let client = self.client.get_or_init(remote::client).clone();
            Box::pin(async move {
                remote::ask(&client?, provider.kind.dialect(), provider, request).await
            })
        })
        .await
    }

    fn seats(&self, choice: &Choice) -> Vec<Seat> {
        let known = choice.order.iter().filter_map(|(at, model)| {
            let mut provider = self.providers.get(*at)?.clone();
            provider.model = model.clone().unwrap_or(provider.model);
            Some(Seat::new(provider))
        });
        known.collect()
    }

    fn facts_of(&self, seat: &Seat) -> ModelFacts {
        let Provider { kind, model, window_tokens, images, .. } = &seat.provider;
        let window = self.health(seat, |health| health.window(*window_tokens, Instant::now()));
        ModelFacts {
            provider: kind.as_str().into(),
            model: model.clone(),
            window_tokens: window,
            images: *images,
        }
    }

    fn health<T>(&self, seat: &Seat, look: impl FnOnce(&mut Health) -> T) -> T {
        let mut known = self.lock();
        if known.len() >= MOST_REMEMBERED && !known.contains_key(&seat.name) {
            known.retain(|name, _| self.providers.iter().any(|p| p.name() == *name));
        }
        look(known.entry(seat.name.clone()).or_default())
    }

    /// Each look leaves whole values, so a panic elsewhere breaks none.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
