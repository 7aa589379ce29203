//! What outlives a crash: the store, the logs, the sandboxes. And what the judge is told.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use store::{Draft, Durability, JobState};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use types::{Event, EventKind, JobId, Mode, Stream};

use super::engine::Sandbox;
use super::faults::Flaw;
use super::gateway::Gateway;
use super::judge;
use super::orchestrator::Orchestrator;
use super::plan::Plan;

/// The tasks of one process, which die with it.
pub(super) type Process = Rc<RefCell<JoinSet<()>>>;

pub(super) struct World {
    dice: RefCell<Rng>,
    pub(super) flaw: Option<Flaw>,
    /// Nothing goes wrong any more.
    pub(super) calm: Cell<bool>,
    pub(super) rows: RefCell<BTreeMap<JobId, Row>>,
    pub(super) sandboxes: RefCell<BTreeMap<JobId, Sandbox>>,
    pub(super) gateways: RefCell<BTreeMap<JobId, Rc<Gateway>>>,
    /// Whose sandboxes cannot reach their gateways.
    pub(super) cut_off: RefCell<BTreeSet<JobId>>,
    pub(super) orchestrator: RefCell<Option<Rc<Orchestrator>>>,
    /// Pulled when it hurts: committed, not answered.
    pub(super) plug: Notify,
    numbers: Cell<u64>,
    wrong: RefCell<Vec<String>>,
}

/// One job.
pub(super) struct Row {
    request: u64,
    pub(super) plan: Plan,
    pub(super) state: JobState,
    pub(super) events: Vec<Event>,
    /// What a power cut leaves of both.
    synced: Option<(JobState, usize)>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) facts: Facts,
}

/// What really happened to a job, whatever was recorded of it.
#[derive(Default)]
pub(super) struct Facts {
    /// What its agent reported, in order.
    pub(super) reported: Vec<String>,
    pub(super) produced: [Vec<u8>; 2],
    /// Steps whose work was begun.
    pub(super) ran: Vec<u32>,
    pub(super) heard: Vec<String>,
    pub(super) decisions: BTreeMap<u32, bool>,
    pub(super) dialled: Vec<u64>,
    /// The agent knows that all it reported is durable.
    pub(super) settled: bool,
    /// Its sandbox was killed.
    pub(super) harmed: bool,
    /// Its agent was connected, for good.
    pub(super) connected: bool,
    /// Somebody was told that its cancel counts.
    pub(super) cancelled: bool,
    pub(super) provider_calls: u32,
    /// What models read and wrote for it, as far as a power cut leaves to be known.
    pub(super) provider_tokens: u64,
}

impl World {
    pub(super) fn new(seed: u64, flaw: Option<Flaw>) -> Rc<Self> {
        Rc::new(Self {
            dice: RefCell::new(Rng::with_seed(seed)),
            flaw,
            calm: Cell::new(false),
            rows: RefCell::default(),
            sandboxes: RefCell::default(),
            gateways: RefCell::default(),
            cut_off: RefCell::default(),
            orchestrator: RefCell::default(),
            plug: Notify::new(),
            numbers: Cell::new(0),
            wrong: RefCell::default(),
        })
    }

    pub(super) fn dice(&self) -> RefMut<'_, Rng> {
        self.dice.borrow_mut()
    }

    /// One in so many times, while things go wrong.
    pub(super) fn bad_luck(&self, one_in: u32) -> bool {
        !self.calm.get() && self.dice().u32(..one_in) == 0
    }

    /// A little while; seldom a longer one.
    pub(super) async fn delay(&self) {
        let longer = self.bad_luck(40);
        let millis = if longer { self.dice().u64(..400) } else { self.dice().u64(..4) };
        if millis > 0 {
            sleep(Duration::from_millis(millis)).await;
        }
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// 1, 2, 3 …, the same however often the orchestrator dies.
    pub(super) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    pub(super) fn row(&self, job: JobId) -> RefMut<'_, Row> {
        RefMut::map(self.rows.borrow_mut(), |rows| rows.get_mut(&job).unwrap())
    }

    pub(super) fn facts(&self, job: JobId) -> RefMut<'_, Facts> {
        RefMut::map(self.row(job), |row| &mut row.facts)
    }

    pub(super) fn state(&self, job: JobId) -> JobState {
        self.row(job).state.clone()
    }

    /// As `Store::insert`: once for each request.
    pub(super) async fn insert(&self, request: u64, plan: Plan) -> (JobId, bool) {
        self.delay().await;
        let before =
            self.rows.borrow().iter().find(|(_, row)| row.request == request).map(|r| *r.0);
        if let Some(job) = before {
            return (job, false);
        }
        let job = format!("00000000-0000-7000-8000-{:012x}", self.number()).parse().unwrap();
        let state = JobState::new(Timestamp::UNIX_EPOCH);
        let (stdout, stderr, facts) = Default::default();
        let row = Row { request, plan, state, events: vec![], synced: None, stdout, stderr, facts };
        self.rows.borrow_mut().insert(job, row);
        let first = EventKind::Scheduled { mode: Mode::Runbook };
        self.commit(job, Durability::Full, |draft| draft.append(Timestamp::UNIX_EPOCH, first));
        self.delay().await;
        (job, true)
    }

    /// As `Store::update`: it may fail, and whoever waits may die before or after the commit.
    pub(super) async fn update<R>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R,
    ) -> Option<R> {
        self.delay().await;
        if self.bad_luck(80) {
            return None;
        }
        let answer = self.commit(job, durability, change);
        if self.bad_luck(500) {
            self.plug.notify_one();
        }
        self.delay().await;
        Some(answer)
    }

    pub(super) fn commit<R>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R,
    ) -> R {
        let mut row = self.row(job);
        let before = row.state.clone();
        let mut draft = Draft::new(before.clone());
        let answer = change(&mut draft);
        for (at, event) in draft.events() {
            let (seq, at, event) = (row.events.len() as u64 + 1, *at, event.clone());
            row.events.push(Event { seq, at, event });
        }
        let last_seq = row.events.len() as u64;
        row.state = JobState { last_seq, ..draft.state };
        judge::change(self, &before, &row);
        drop(row);
        if durability == Durability::Full {
            self.sync();
        }
        answer
    }

    fn sync(&self) {
        for row in self.rows.borrow_mut().values_mut() {
            row.facts.connected |= row.state.session.key_hash.is_some();
            row.synced = Some((row.state.clone(), row.events.len()));
        }
    }

    /// What was not synced is gone.
    pub(super) fn lose_power(&self) {
        self.rows.borrow_mut().retain(|_, row| match row.synced.clone() {
            None => false,
            Some((state, events)) => {
                row.state = state;
                row.events.truncate(events);
                row.facts.provider_tokens = 0;
                true
            }
        });
    }

    pub(super) fn write_log(&self, job: JobId, stream: Stream, at: u64, bytes: &[u8]) {
        let mut row = self.row(job);
        let log = row.log(stream);
        let (start, end) = (at as usize, at as usize + bytes.len());
        log.resize(log.len().max(end), 0);
        log[start..end].copy_from_slice(bytes);
    }

    /// Ends a process at once, in the midst of anything.
    pub(super) fn kill(&self, process: &Process) {
        let mut tasks = process.borrow_mut();
        while let Some(ended) = tasks.try_join_next() {
            if ended.is_err_and(|e| e.is_panic()) {
                self.is_wrong("a task panicked; what it said is above");
            }
        }
        tasks.abort_all();
    }

    pub(super) fn is_wrong(&self, what: &str) {
        self.wrong.borrow_mut().push(what.into());
    }

    pub(super) fn wrong(&self) -> Option<String> {
        self.wrong.borrow().first().cloned()
    }

    pub(super) fn unfinished(&self) -> String {
        let rows = self.rows.borrow();
        let open = rows.iter().filter(|(_, row)| !row.state.status.is_final());
        open.map(|(job, row)| format!("{job} {}: {:?}", row.state.status, row.plan.acts)).collect()
    }

    pub(super) fn diary(&self) -> Vec<String> {
        let rows = self.rows.borrow();
        let events = rows.values().flat_map(|row| &row.events);
        events.map(|event| format!("{} {}", event.seq, judge::sign(&event.event))).collect()
    }
}

impl Row {
    pub(super) fn log(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
