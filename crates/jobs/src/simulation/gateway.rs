//! The orchestrator's end of one job's connections, and where its agent's words go: what routes of
//! the gateway and the job's sink do, on the simulated disk and store.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::gateway::{KeyState, Orders, SinkError};
use protocol::{Instruction, Report};
use sha2::{Digest, Sha256};
use store::{Durability, JobState};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::{Ending, EventKind, Isolation, JobId, Reason, SandboxReport, Stream};

use super::faults::Flaw;
use super::questions::Asking;
use super::world::{Process, World};
use crate::attach::key_state;
use crate::bed;
use crate::intake::{Intake, Record};
use crate::lifecycle::Input;
use crate::sink::{greet, note_egress, use_key};
use crate::translate::{Measure, Output, Progress};

pub(super) struct Gateway {
    pub(super) world: Rc<World>,
    pub(super) job: JobId,
    pub(super) process: Process,
    pub(super) closing: CancellationToken,
    pub(super) orders: watch::Sender<Orders>,
    pub(super) verdict: watch::Sender<Option<Ending>>,
    pub(super) connected: watch::Sender<bool>,
    pub(super) asking: Asking,
    pub(super) intake: Rc<Intake>,
    /// Connections into the sandbox that arrived.
    pub(super) arrived: watch::Sender<Vec<u64>>,
    key: Cell<KeyState>,
    /// Who gets a key or uses it first does so alone, also if it has left meanwhile.
    greeting: Mutex<()>,
    greeted: Arc<Mutex<()>>,
}

impl Gateway {
    pub(super) fn open(
        world: &Rc<World>,
        job: JobId,
        process: &Process,
        state: &JobState,
        wishes: Vec<Instruction>,
    ) -> Rc<Self> {
        let plan = world.row(job).plan.clone();
        let steps = plan.thinks.then_some(plan.limits.steps);
        let measure = Measure { output_bytes: plan.limits.output_bytes, steps };
        let session = state.session.clone();
        let (key, verdict, key_used) =
            (key_state(&session), session.verdict.clone(), session.key_used);
        let progress = Progress { session, result: state.result.clone() };
        let gateway = Rc::new(Self {
            world: world.clone(),
            job,
            process: process.clone(),
            closing: CancellationToken::new(),
            orders: watch::Sender::new(Orders::new(wishes)),
            verdict: watch::Sender::new(verdict),
            connected: watch::Sender::new(key_used),
            asking: Asking::new(plan.limits),
            intake: Rc::new(Intake::new(measure, progress)),
            arrived: watch::Sender::default(),
            key: Cell::new(key),
            greeting: Mutex::default(),
            greeted: Arc::default(),
        });
        world.gateways.borrow_mut().insert(job, gateway.clone());
        process.borrow_mut().spawn_local(gateway.clone().tell_egress());
        gateway
    }

    /// Its connections, as they end; nobody waits for the last one.
    async fn tell_egress(self: Rc<Self>) {
        let mut open = true;
        while open {
            open = !self.closing.is_cancelled();
            let lasts = Duration::from_millis(self.world.dice().u64(..5000));
            sleep(lasts).await;
            // Once, whether anybody takes it or not.
            drop(self.change(Durability::Grouped, |draft| self.note_egress(draft)).await);
        }
    }

    fn note_egress(&self, draft: &mut store::Draft) {
        let egress = bed::egress();
        if self.world.has(Flaw::TellsTooLate) {
            draft.append(draft.now, EventKind::Egress { egress });
        } else {
            drop(note_egress(draft, egress));
        }
    }

    /// Nobody gets in any more.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.world.gateways.borrow_mut().remove(&self.job);
    }

    pub(super) async fn admit(self: &Rc<Self>, presented: Option<&str>) -> Result<(), SinkError> {
        let state = self.key.get();
        let wrong = || SinkError::Refused("the session key is missing or wrong".into());
        let presented = presented.filter(|key| state.accepts(key)).ok_or_else(wrong)?;
        if matches!(state, KeyState::Used(_)) {
            return Ok(());
        }
        let _turn = self.greeting.lock().await;
        let state = self.key.get();
        if !state.accepts(presented) {
            return Err(wrong());
        }
        if let KeyState::Given(hash) = state {
            let used = move |draft: &mut store::Draft| use_key(draft, hash);
            self.in_turn(async move |this| this.change(Durability::Grouped, used).await).await?;
            self.key.set(KeyState::Used(hash));
        }
        Ok(())
    }

    /// A new key for whoever has none yet, and the highest durable number.
    pub(super) async fn hello(
        self: &Rc<Self>,
        presented: Option<&str>,
    ) -> Result<(Option<String>, u64), SinkError> {
        if presented.is_some() {
            self.admit(presented).await?;
            return Ok((None, self.greet(None).await?));
        }
        let _turn = self.greeting.lock().await;
        if !self.key.get().may_give() {
            return Err(SinkError::Refused("the session key is missing".into()));
        }
        let key = format!("key {}", self.world.number());
        let hash = Sha256::digest(&key).into();
        let acked = self.in_turn(async move |this| this.greet(Some(hash)).await).await?;
        self.key.set(KeyState::Given(hash));
        Ok((Some(key), acked))
    }

    async fn greet(&self, new_key: Option<[u8; 32]>) -> Result<u64, SinkError> {
        let (engine, isolation, shortfalls) = ("fake".into(), Isolation::None, vec![]);
        let sandbox = SandboxReport { engine, isolation, shortfalls };
        let input = Input::Connected { agent: "1".into(), sandbox };
        let greeted = self.change(Durability::Full, |draft| greet(draft, input, new_key)).await?;
        greeted.map_err(|e| SinkError::Refused(e.to_string()))?;
        self.connected.send_replace(true);
        Ok(self.intake.acked().await)
    }

    pub(super) async fn reports(
        self: &Rc<Self>,
        presented: Option<&str>,
        reports: Vec<Report>,
    ) -> Result<u64, SinkError> {
        self.admit(presented).await?;
        let this = self.clone();
        self.door(async move { this.take(reports).await }).await
    }

    async fn take(self: &Rc<Self>, mut reports: Vec<Report>) -> Result<u64, SinkError> {
        if self.world.has(Flaw::TakesTwice) {
            let acked = self.intake.acked().await;
            reports.iter_mut().zip(acked + 1..).for_each(|(report, n)| report.n = n);
        }
        let taken = self.intake.take(
            reports,
            |before, output| self.write(before, output),
            |record| self.record(record),
        );
        match taken.await {
            Ok((acked, verdict)) => {
                if let Some(ending) = verdict {
                    self.decide(ending);
                }
                Ok(acked)
            }
            Err(SinkError::Refused(why)) => {
                self.decide(Ending::error(Reason::AgentFailed, why.clone()));
                Err(SinkError::Refused(why))
            }
            Err(e) => Err(e),
        }
    }

    /// What concerns the key, after all that came before it.
    async fn in_turn<T: 'static>(
        self: &Rc<Self>,
        work: impl AsyncFnOnce(Rc<Self>) -> Result<T, SinkError> + 'static,
    ) -> Result<T, SinkError> {
        let (this, turn) = (self.clone(), self.greeted.clone().lock_owned().await);
        self.door(async move {
            let _turn = turn;
            work(this).await
        })
        .await
    }

    /// What is begun is finished, also when the agent's connection breaks.
    pub(super) async fn door<T: 'static>(
        &self,
        work: impl Future<Output = Result<T, SinkError>> + 'static,
    ) -> Result<T, SinkError> {
        let (answer, answered) = oneshot::channel();
        self.process.borrow_mut().spawn_local(async move { drop(answer.send(work.await)) });
        answered.await.unwrap_or_else(|_| Err(SinkError::Unavailable("it died".into())))
    }

    /// What was decided first, stays.
    pub(super) fn decide(&self, ending: Ending) {
        self.verdict.send_modify(|verdict| *verdict = verdict.take().or(Some(ending)));
    }

    async fn write(&self, (out, err): (u64, u64), output: Output) -> Result<(), SinkError> {
        for (stream, at, bytes) in
            [(Stream::Stdout, out, output.stdout), (Stream::Stderr, err, output.stderr)]
        {
            self.world.delay().await;
            self.world.write_log(self.job, stream, at, &bytes);
        }
        Ok(())
    }

    async fn record(self: &Rc<Self>, record: Record) -> Result<Option<Ending>, SinkError> {
        if !self.world.has(Flaw::AnswersUnrecorded) {
            return self.change(Durability::Grouped, |draft| record.apply(draft)).await;
        }
        let this = self.clone();
        let late = async move {
            drop(this.change(Durability::Grouped, |draft| record.apply(draft)).await);
        };
        self.process.borrow_mut().spawn_local(late);
        Ok(None)
    }

    async fn change<R>(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut store::Draft) -> R,
    ) -> Result<R, SinkError> {
        let done = self.world.update(self.job, durability, change).await;
        done.ok_or_else(|| SinkError::Unavailable("try again".into()))
    }
}
