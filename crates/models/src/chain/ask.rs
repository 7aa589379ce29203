use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};
use types::{ModelAnswer, ModelCall, ModelFacts, ModelRequest, Reason, Stop, TokenUsage};

use super::health::Standing;
use super::policy::{Reaction, Situation, react};
use super::seat::{Seat, obituary};
use super::{Choice, Meter, Models, OverBudget};
use crate::dialect::{Failure, Reply, Spent};
use crate::{ModelError, Provider, estimate, history, overflow};

/// How long one question may take in all, waits and calls together: a provider that says a little now
/// and then must not hold a job for hours.
const LONGEST: Duration = Duration::from_mins(45);

/// What one call brings.
pub(super) type Called<'a> = BoxFuture<'a, Result<Reply, Failure>>;

/// One call of one provider, over HTTP or in a test.
pub(super) type Call<'c> =
    dyn for<'a> Fn(&'a Provider, &'a ModelRequest) -> Called<'a> + Send + Sync + 'c;

/// Asks until somebody answers, nobody is left, or the budget is used up.
pub(super) async fn ask(
    models: &Models,
    choice: &Choice,
    question: &ModelRequest,
    meter: &dyn Meter,
    call: &Call<'_>,
) -> ModelAnswer {
    let mut seats = in_order(models.seats(choice), history::last_answerer(question));
    for seat in &mut seats {
        seat.stripped = history::is_refused(question, &seat.name);
    }
    let (until, waited) = (Instant::now() + LONGEST, Duration::ZERO);
    let mut asking = Asking { models, question, meter, call, seats, until, waited };
    while let Some(at) = asking.pick().filter(|_| Instant::now() < until) {
        match asking.once(at).await {
            ControlFlow::Break(answer) => return answer,
            ControlFlow::Continue(wait) => asking.wait(wait).await,
        }
    }
    let error = obituary(&asking.seats);
    ModelAnswer::Failed { reason: Reason::ModelUnavailable, error }
}

fn in_order(mut seats: Vec<Seat>, last: Option<&str>) -> Vec<Seat> {
    // Stable: the others stay as they are.
    seats.sort_by_key(|seat| Some(seat.name.as_str()) != last);
    seats
}

/// One question under way.
struct Asking<'a> {
    models: &'a Models,
    question: &'a ModelRequest,
    meter: &'a dyn Meter,
    call: &'a Call<'a>,
    seats: Vec<Seat>,
    until: Instant,
    waited: Duration,
}

impl Asking<'_> {
    /// Who is asked next: the first that is well or due for a probe; then one that rests; then one
    /// that had its tries, those with the fewest first.
    fn pick(&mut self) -> Option<usize> {
        let up = self.first_up();
        let (at, standing) = up.or_else(|| Some((self.first_down()?, Standing::Resting)))?;
        self.seats[at].standing = standing;
        Some(at)
    }

    fn first_up(&self) -> Option<(usize, Standing)> {
        let now = Instant::now();
        let fresh = self.seats.iter().enumerate().filter(|(_, seat)| seat.is_fresh());
        // Lazily: whoever is told to probe is asked now.
        let mut standing =
            fresh.map(|(at, seat)| (at, self.models.health(seat, |health| health.claim(now))));
        standing.find(|(_, standing)| *standing != Standing::Resting)
    }

    fn first_down(&self) -> Option<usize> {
        let resting = self.seats.iter().position(Seat::is_fresh);
        resting.or_else(|| {
            let left = self.seats.iter().enumerate().filter(|(_, seat)| !seat.gone);
            left.min_by_key(|(_, seat)| seat.tries).map(|(at, _)| at)
        })
    }

    /// One call and what follows from it: an answer, or how long to wait before the next.
    async fn once(&mut self, at: usize) -> ControlFlow<ModelAnswer, Duration> {
        let seat = &self.seats[at];
        let mut request = history::mended(self.question, &seat.provider, !seat.stripped);
        let facts = self.models.facts_of(seat);
        if estimate::at_least(&request) > facts.window_tokens {
            return ControlFlow::Break(ModelAnswer::TooLong { facts });
        }
        let sent = estimate::question(&request);
        request.max_output_tokens =
            match self.meter.reserve(sent, request.max_output_tokens, &facts).await {
                Ok(granted) => granted,
                Err(OverBudget { reason, error }) => {
                    return ControlFlow::Break(ModelAnswer::Failed { reason, error });
                }
            };
        self.seats[at].tries += 1;
        match self.call(at, &request, sent).await {
            Ok((reply, usage)) => ControlFlow::Break(self.answer(at, reply, usage, facts)),
            Err(error) => self.failed(at, &error, sent, &facts),
        }
    }

    /// The call itself, recorded.
    async fn call(
        &self,
        at: usize,
        request: &ModelRequest,
        sent: u64,
    ) -> Result<(Reply, TokenUsage), ModelError> {
        let seat = &self.seats[at];
        let begun = Instant::now();
        let late = |_| Err(ModelError::BrokenOff(format!("all took more than {LONGEST:?}")).into());
        let calling = timeout_at(self.until, (self.call)(&seat.provider, request));
        let reply = calling.await.unwrap_or_else(late);
        let usage = usage(&reply, sent);
        let reply = reply.map_err(|failed| failed.error);
        let reply = reply.and_then(|reply| whole(&seat.provider, reply));
        let call = ModelCall {
            provider: seat.provider.kind.as_str().into(),
            model: seat.provider.model.clone(),
            usage,
            cost_usd: seat.provider.price.map(|price| price.of(&usage)),
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            error: reply.as_ref().err().map(|error| seat.in_short(error)),
        };
        self.meter.record(call).await;
        Ok((reply?, usage))
    }

    fn answer(&self, at: usize, reply: Reply, usage: TokenUsage, facts: ModelFacts) -> ModelAnswer {
        let seat = &self.seats[at];
        self.models.health(seat, |health| health.answered());
        let turn = history::signed(reply.turn, &seat.provider, seat.stripped);
        ModelAnswer::Turn { turn, stop: reply.stop, usage, facts }
    }

    fn failed(
        &mut self,
        at: usize,
        error: &ModelError,
        sent_tokens: u64,
        facts: &ModelFacts,
    ) -> ControlFlow<ModelAnswer, Duration> {
        let others = self.seats.iter().enumerate().any(|(n, seat)| n != at && seat.is_fresh());
        let seat = &mut self.seats[at];
        seat.useless += u32::from(matches!(error, ModelError::Empty(_) | ModelError::Endless));
        let reaction = react(
            error,
            &Situation {
                tries: seat.tries,
                useless: seat.useless,
                waited: self.waited,
                others,
                probe: seat.standing == Standing::Probe,
                stripped: seat.stripped,
                sent_tokens,
                window_tokens: facts.window_tokens,
                jitter: fastrand::f64(),
            },
        );
        seat.failed(error, reaction);
        self.follow(at, error, reaction)
    }

    /// Does what was decided.
    fn follow(
        &self,
        at: usize,
        error: &ModelError,
        reaction: Reaction,
    ) -> ControlFlow<ModelAnswer, Duration> {
        let (seat, now) = (&self.seats[at], Instant::now());
        self.models.health(seat, |health| match reaction {
            Reaction::Retry { .. } => {}
            Reaction::Next { rest: Some(rest), .. } => health.rest(now, rest, seat.standing),
            // It works; it only does not want this question.
            Reaction::Next { rest: None, .. } | Reaction::Strip => health.answered(),
            Reaction::Shrink { window_tokens } => {
                health.answered();
                if let ModelError::TooLong { window } = error {
                    health.learn(now, window_tokens, *window == Some(window_tokens));
                }
            }
        });
        match reaction {
            Reaction::Shrink { window_tokens } => {
                let facts = ModelFacts { window_tokens, ..self.models.facts_of(seat) };
                ControlFlow::Break(ModelAnswer::TooLong { facts })
            }
            Reaction::Retry { after } => ControlFlow::Continue(after),
            Reaction::Next { .. } | Reaction::Strip => ControlFlow::Continue(Duration::ZERO),
        }
    }

    async fn wait(&mut self, wait: Duration) {
        self.waited += wait;
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// An answer, unless its provider was only too polite to fail.
fn whole(provider: &Provider, reply: Reply) -> Result<Reply, ModelError> {
    let Reply { turn, stop, usage } = &reply;
    let is_empty = turn.text.trim().is_empty() && turn.calls.is_empty() && turn.flaw.is_none();
    if overflow::is_silent(provider, stop, usage.as_ref(), is_empty) {
        return Err(ModelError::TooLong { window: None });
    }
    if is_empty && *stop == Stop::Done {
        return Err(ModelError::Empty("it said nothing".into()));
    }
    Ok(reply)
}

/// What a call took. One that failed in the middle may be billed; one that was refused is not.
fn usage(reply: &Result<Reply, Failure>, sent: u64) -> TokenUsage {
    match reply {
        Ok(reply) => {
            let guess = || estimate::usage(sent, estimate::turn_bytes(&reply.turn));
            reply.usage.unwrap_or_else(guess)
        }
        Err(Failure { error, spent: Spent { usage, bytes } }) => {
            let broke_off = matches!(
                error,
                ModelError::BrokenOff(_) | ModelError::Empty(_) | ModelError::Endless
            );
            match usage.filter(|said| said.input_tokens > 0) {
                Some(said) => at_least(said, *bytes),
                None if broke_off || *bytes > 0 => estimate::usage(sent, *bytes),
                None => TokenUsage::default(),
            }
        }
    }
}

/// What a provider said of an answer that then broke off, and at least what we have seen of it.
fn at_least(said: TokenUsage, bytes: u64) -> TokenUsage {
    let seen = estimate::usage(said.input_tokens, bytes).output_tokens;
    let estimated = seen > said.output_tokens;
    TokenUsage { output_tokens: seen.max(said.output_tokens), estimated, ..said }
}
