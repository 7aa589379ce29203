//! What the server knows: the script, how far it is, and what it has seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use super::director::{Due, Progress};
use super::scenario::{Scenario, Usage};
use super::{Overflow, Provider, Reply, Seen};

/// How many complaints are kept.
const COMPLAINTS: usize = 100;

/// What a program says instead of a scenario.
pub(super) type Closure = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests for an answer.
    pub requests: u64,
    /// Of each provider.
    pub by_provider: BTreeMap<Provider, u64>,
    /// Refused because something was wrong with them.
    pub refused: u64,
    /// Longer than the window.
    pub overflows: u64,
    /// Met with a fault of the scenario.
    pub faults: u64,
    /// The longest, in tokens, before anything was cut off.
    pub max_tokens: u64,
    /// The same of each provider.
    pub max_tokens_by_provider: BTreeMap<Provider, u64>,
    /// Said to be read, in all answers.
    pub input_tokens: u64,
    /// Said to be written, thoughts included.
    pub output_tokens: u64,
}

pub(super) struct State {
    scenario: Scenario,
    closure: Option<Closure>,
    /// Whether requests are kept.
    keep: bool,
    numbers: AtomicU64,
    progress: Mutex<Progress>,
    log: Mutex<Log>,
    /// How many requests are recorded.
    recorded: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Arc<Seen>>,
    complaints: Vec<String>,
    counters: Counters,
}

impl State {
    pub(super) fn new(scenario: Scenario, closure: Option<Closure>, keep: bool) -> Self {
        Self {
            scenario,
            closure,
            keep,
            numbers: AtomicU64::new(0),
            progress: Mutex::default(),
            log: Mutex::default(),
            recorded: watch::Sender::new(0),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ollama asks for no key unless the scenario does.
    pub(super) fn is_key(&self, provider: Provider, key: &str) -> bool {
        match self.scenario.keys.get(&provider) {
            Some(keys) => keys.iter().any(|k| k == key),
            None => provider == Provider::Ollama || key == provider.key(),
        }
    }

    /// The models there are, if not any.
    pub(super) fn known_models(&self, provider: Provider) -> Option<&Vec<String>> {
        self.scenario.models.get(&provider)
    }

    /// Models to list.
    pub(super) fn models(&self, provider: Provider) -> Vec<String> {
        self.known_models(provider).cloned().unwrap_or_else(|| vec![provider.model().into()])
    }

    pub(super) fn bytes_per_token(&self, provider: Provider) -> u64 {
        self.scenario.limits.get(&provider).map_or(4, |limit| limit.bytes_per_token)
    }

    /// How much fits into this request's window, and what becomes of more. Ollama's window is what
    /// the request wishes, and no more than the model has.
    pub(super) fn window(&self, seen: &Seen) -> Option<(u64, Overflow)> {
        let limit = self.scenario.limits.get(&seen.provider);
        let form = limit.map(|l| l.overflow).unwrap_or_default().at(seen.provider);
        let tokens = [limit.map(|l| l.tokens), seen.window_wish];
        Some((tokens.into_iter().flatten().min()?, form))
    }

    /// What is due to this request.
    pub(super) fn due(&self, seen: &Seen) -> Option<Due> {
        let due = match &self.closure {
            Some(closure) => {
                let mut reply = closure(seen);
                let fault = reply.fault.take().map(|faulty| faulty.fault);
                Some(Due { reply, fault })
            }
            None => lock(&self.progress).next(&self.scenario, seen),
        };
        if due.as_ref().is_some_and(|due| due.fault.is_some()) {
            lock(&self.log).counters.faults += 1;
        }
        due
    }

    /// A request that has come, and what is wrong with it.
    pub(super) fn record(&self, seen: &Seen, refused: Option<&str>, wrong: &[String]) {
        let mut log = lock(&self.log);
        let counters = &mut log.counters;
        counters.requests += 1;
        *counters.by_provider.entry(seen.provider).or_default() += 1;
        counters.max_tokens = counters.max_tokens.max(seen.tokens);
        let longest = counters.max_tokens_by_provider.entry(seen.provider).or_default();
        *longest = seen.tokens.max(*longest);
        counters.refused += u64::from(refused.is_some());
        let requests = counters.requests;
        let refused = refused.filter(|words| !wrong.iter().any(|w| w == words));
        for what in refused.into_iter().chain(wrong.iter().map(String::as_str)) {
            log.complain(format!("request {} ({}): {what}", seen.number, seen.provider.as_str()));
        }
        if self.keep {
            log.requests.push(Arc::new(seen.clone()));
        }
        drop(log);
        self.recorded.send_replace(requests);
    }

    pub(super) fn complain(&self, what: String) {
        lock(&self.log).complain(what);
    }

    pub(super) fn overflown(&self) {
        lock(&self.log).counters.overflows += 1;
    }

    pub(super) fn spent(&self, usage: Option<Usage>) {
        let usage = usage.unwrap_or_default();
        let counters = &mut lock(&self.log).counters;
        counters.input_tokens += usage.input;
        counters.output_tokens += usage.output + usage.thoughts;
    }

    pub(super) fn requests(&self) -> Vec<Arc<Seen>> {
        lock(&self.log).requests.clone()
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        lock(&self.log).complaints.clone()
    }

    pub(super) fn counters(&self) -> Counters {
        lock(&self.log).counters.clone()
    }

    pub(super) fn recorded(&self) -> watch::Receiver<u64> {
        self.recorded.subscribe()
    }

    /// For programs that ask over HTTP.
    pub(super) fn report(&self) -> serde_json::Value {
        let log = lock(&self.log);
        super::handle::report(&log.counters, &log.complaints)
    }
}

impl Log {
    fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(what);
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("scenario", &self.scenario.about).finish_non_exhaustive()
    }
}

/// A test that panicked while it held the lock says so itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
