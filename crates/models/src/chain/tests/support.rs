//! Providers that answer by heart, and a meter that keeps a list.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use types::{ModelAnswer, ModelCall, ModelFacts, ModelRequest, ModelTurn, Reason, Stop};

use crate::chain::ask::ask;
use crate::chain::{Choice, Meter, Models, OverBudget};
use crate::dialect::{Failure, Reply, Spent};
use crate::fixtures::{provider, question};
use crate::{Kind, ModelError, Provider};

pub(super) type Outcome = Result<Reply, ModelError>;

/// What each provider brings, call by call; its last again and again.
#[derive(Default)]
struct Lines(HashMap<String, VecDeque<Outcome>>);

pub(super) struct World {
    pub(super) models: Models,
    lines: Arc<Mutex<Lines>>,
    asked: Arc<Mutex<Vec<(String, ModelRequest)>>>,
    pub(super) ledger: Ledger,
    /// How long a call takes.
    pub(super) lasts: Duration,
    /// What calls that fail have taken.
    pub(super) spent: Spent,
}

impl World {
    /// The first two providers.
    pub(super) fn of_two(first: Vec<Outcome>, second: Vec<Outcome>) -> Self {
        Self::new(vec![(Kind::Alchemyst, first), (Kind::Gemini, second)])
    }

    pub(super) fn of_one(lines: Vec<Outcome>) -> Self {
        Self::new(vec![(Kind::Alchemyst, lines)])
    }

    pub(super) fn new(lines: Vec<(Kind, Vec<Outcome>)>) -> Self {
        Self::with(lines.into_iter().map(|(kind, lines)| (provider(kind), lines)).collect())
    }

    pub(super) fn with(lines: Vec<(Provider, Vec<Outcome>)>) -> Self {
        let providers = lines.iter().map(|(provider, _)| provider.clone()).collect();
        // No certificates are read for calls that are none.
        let client = Err(ModelError::Unreachable("this is a test".into()));
        let models = Models { providers, client: client.into(), health: Mutex::default() };
        let lines = lines.into_iter().map(|(p, lines)| (p.name(), lines.into())).collect();
        let lines = Arc::new(Mutex::new(Lines(lines)));
        let (asked, ledger, spent) = (Arc::default(), Ledger::default(), Spent::default());
        Self { models, lines, asked, ledger, lasts: CALL, spent }
    }

    pub(super) fn say_from_now(&self, kind: Kind, lines: Vec<Outcome>) {
        self.lines.lock().unwrap().0.insert(provider(kind).name(), lines.into());
    }

    pub(super) fn choice(&self) -> Choice {
        self.models.choose(None).unwrap()
    }

    pub(super) async fn ask(&self) -> ModelAnswer {
        self.ask_this(&question("hello")).await
    }

    pub(super) async fn ask_this(&self, question: &ModelRequest) -> ModelAnswer {
        let (lines, asked) = (self.lines.clone(), self.asked.clone());
        let (lasts, spent) = (self.lasts, self.spent);
        ask(&self.models, &self.choice(), question, &self.ledger, &move |provider, request| {
            let (lines, asked) = (lines.clone(), asked.clone());
            Box::pin(async move {
                asked.lock().unwrap().push((provider.name(), request.clone()));
                tokio::time::sleep(lasts).await;
                let mut lines = lines.lock().unwrap();
                let lines = lines.0.get_mut(&provider.name()).unwrap();
                let line =
                    if lines.len() > 1 { lines.pop_front().unwrap() } else { lines[0].clone() };
                line.map_err(|error| Failure { error, spent })
            })
        })
        .await
    }

    /// Who was asked since somebody last wanted to know: the first letter of each.
    pub(super) fn asked(&self) -> String {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.iter().map(|(name, _)| &name[..1]).collect()
    }

    /// With what the last one was asked.
    pub(super) fn last_question(&self) -> ModelRequest {
        self.asked.lock().unwrap().last().unwrap().1.clone()
    }
}

/// How long a call usually takes.
pub(super) const CALL: Duration = Duration::from_millis(10);

/// Keeps a list; lets so many calls pass.
pub(super) struct Ledger {
    pub(super) calls: Mutex<Vec<ModelCall>>,
    pub(super) reserved: Mutex<Vec<(u64, u32)>>,
    pub(super) most: usize,
    /// The longest answer it lets pass, in tokens.
    pub(super) grants: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        let (calls, reserved) = (Mutex::default(), Mutex::default());
        Self { calls, reserved, most: 1000, grants: u32::MAX }
    }
}

impl Ledger {
    pub(super) fn errors(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|call| call.error.clone().unwrap_or_default()).collect()
    }

    pub(super) fn last(&self) -> ModelCall {
        self.calls.lock().unwrap().last().unwrap().clone()
    }
}

#[async_trait]
impl Meter for Ledger {
    async fn reserve(&self, input: u64, wanted: u32, _: &ModelFacts) -> Result<u32, OverBudget> {
        let mut reserved = self.reserved.lock().unwrap();
        if reserved.len() >= self.most {
            let error = "no more".into();
            return Err(OverBudget { reason: Reason::LimitModelCalls, error });
        }
        reserved.push((input, wanted));
        Ok(wanted.min(self.grants))
    }

    async fn record(&self, call: ModelCall) {
        self.calls.lock().unwrap().push(call);
    }
}

pub(super) fn says(text: &str) -> Outcome {
    let turn = ModelTurn { text: text.into(), ..ModelTurn::default() };
    Ok(Reply { turn, stop: Stop::Done, usage: None })
}

pub(super) fn limited(after: Option<u64>) -> Outcome {
    let after = after.map(Duration::from_secs);
    Err(ModelError::RateLimited { after, why: "slow down".into() })
}

pub(super) fn down() -> Outcome {
    Err(ModelError::Unavailable { after: None, why: "overloaded".into() })
}

pub(super) fn no_key() -> Outcome {
    Err(ModelError::Auth("wrong key".into()))
}

/// What was said, and by whom.
pub(super) fn turn(answer: &ModelAnswer) -> (&str, &str) {
    match answer {
        ModelAnswer::Turn { turn, facts, .. } => (&facts.provider, &turn.text),
        ModelAnswer::TooLong { .. } | ModelAnswer::Failed { .. } => panic!("{answer:?}"),
    }
}

pub(super) fn failure(answer: &ModelAnswer) -> (Reason, &str) {
    match answer {
        ModelAnswer::Failed { reason, error } => (*reason, error),
        ModelAnswer::TooLong { .. } | ModelAnswer::Turn { .. } => panic!("{answer:?}"),
    }
}

pub(super) fn window(answer: &ModelAnswer) -> u64 {
    match answer {
        ModelAnswer::TooLong { facts } => facts.window_tokens,
        ModelAnswer::Failed { .. } | ModelAnswer::Turn { .. } => panic!("{answer:?}"),
    }
}

/// Seconds since then.
pub(super) fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
