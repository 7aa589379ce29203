//! One life of the orchestrator: what `run`, `recover`, `conclude` and `inner` do, on the simulated
//! engine and store. It dies with its tasks; nothing in here outlives it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use ::engine::{Ended, SandboxState};
use protocol::Instruction;
use store::{Draft, Durability, Reserved};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use types::{Ending, JobId, JobStatus};

use super::faults::Flaw;
use super::gateway::Gateway;
use super::world::{Process, World};
use crate::conclude::note_end;
use crate::lifecycle::{self, Input};
use crate::queue::Queue;
use crate::reach::{Course, course};
use crate::{ask, converse, outcome};

const HELLO_PATIENCE: Duration = Duration::from_secs(30);
const CANCEL_GRACE: Duration = Duration::from_secs(4);

pub(super) struct Orchestrator {
    pub(super) world: Rc<World>,
    pub(super) process: Process,
    pub(super) queue: RefCell<Queue>,
    pub(super) live: RefCell<BTreeMap<JobId, Live>>,
}

#[derive(Clone)]
pub(super) struct Live {
    pub(super) cancel: CancellationToken,
    /// Rings when a person wants something.
    pub(super) bell: watch::Sender<()>,
    gateway: Option<Rc<Gateway>>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { cancel: CancellationToken::new(), bell: watch::Sender::default(), gateway: None }
    }
}

impl Orchestrator {
    /// Starts it on what the one before left.
    pub(super) fn start(world: &Rc<World>, slots: usize) {
        let process = Process::new(JoinSet::new().into());
        let queue = RefCell::new(Queue::new(slots));
        let this = Rc::new(Self { world: world.clone(), process, queue, live: RefCell::default() });
        world.orchestrator.replace(Some(this.clone()));
        let process = this.process.clone();
        process.borrow_mut().spawn_local(this.recover());
    }

    /// At once, in the midst of anything.
    pub(super) fn kill(world: &World) {
        if let Some(this) = world.orchestrator.take() {
            world.kill(&this.process);
            for gateway in std::mem::take(&mut *world.gateways.borrow_mut()).values() {
                gateway.closing.cancel();
            }
        }
    }

    async fn recover(self: Rc<Self>) {
        let mut sandboxes: BTreeMap<_, _> = self.world.list().into_iter().collect();
        let open = |status: JobStatus| !status.is_final();
        let rows: Vec<(JobId, JobStatus, bool)> = {
            let rows = self.world.rows.borrow();
            let rows = rows.iter().filter(|(_, row)| open(row.state.status));
            rows.map(|(job, row)| (*job, row.state.status, row.state.cancel_requested)).collect()
        };
        for (job, status, cancelled) in rows {
            self.live.borrow_mut().insert(job, Live::new());
            let found = sandboxes.remove(&job);
            if status == JobStatus::Scheduled {
                if found.is_some() {
                    self.world.remove(job).await;
                }
                self.queue.borrow_mut().push(job);
                continue;
            }
            if cancelled && !self.world.has(Flaw::ForgetsCancels) {
                self.live.borrow()[&job].cancel.cancel();
            }
            self.queue.borrow_mut().adopt(job);
            self.spawn(job, Some(found));
        }
        for (job, _) in sandboxes {
            if !self.live.borrow().contains_key(&job) {
                self.world.remove(job).await;
            }
        }
        self.pump();
    }

    pub(super) fn pump(self: &Rc<Self>) {
        loop {
            let next = self.queue.borrow_mut().next();
            let Some(job) = next else { return };
            self.spawn(job, None);
        }
    }

    /// `found` is what is left of its sandbox, if an earlier orchestrator had begun with the job.
    fn spawn(self: &Rc<Self>, job: JobId, found: Option<Option<SandboxState>>) {
        let this = self.clone();
        self.process.borrow_mut().spawn_local(async move {
            this.run(job, found).await;
            this.queue.borrow_mut().done(job);
            this.pump();
        });
    }

    async fn run(self: &Rc<Self>, job: JobId, found: Option<Option<SandboxState>>) {
        let status = self.world.state(job).status;
        let found = match found {
            Some(found) => found,
            None if self.happen(job, Durability::Grouped, Input::Admit).await => None,
            None => return,
        };
        if status != JobStatus::Packaging {
            let (ending, ended) = self.work(job, status, found).await;
            let ending = outcome::refine(ending, ended);
            let forgets = self.world.has(Flaw::ForgetsSteps);
            let note = move |draft: &mut Draft| {
                if !forgets {
                    note_end(draft, ended);
                }
            };
            self.settle(job, Durability::Grouped, Input::Over(ending), note).await;
        }
        self.conclude(job).await;
    }

    async fn work(
        self: &Rc<Self>,
        job: JobId,
        status: JobStatus,
        found: Option<SandboxState>,
    ) -> (Ending, Option<Ended>) {
        let course = match course(status, found) {
            Course::GiveUp(_) if self.world.has(Flaw::StartsAgain) => Course::Make,
            course => course,
        };
        if let Course::GiveUp(ending) = course {
            return (ending, None);
        }
        if course == Course::Make {
            if status == JobStatus::Starting {
                self.world.remove(job).await;
            }
            self.world.create(job).await;
        }
        self.world.commit(job, Durability::Grouped, |draft| {
            if self.world.has(Flaw::ForgetsReserves) {
                draft.state.session.spend.reserved = Reserved::default();
            }
            ask::forfeit(draft);
        });
        let state = self.world.state(job);
        let mut bell = self.live.borrow()[&job].bell.subscribe();
        bell.mark_changed();
        let gateway = Gateway::open(&self.world, job, &self.process, &state, self.wishes(job, 0));
        if course == Course::Make {
            self.world.start(job).await;
        }
        self.set_gateway(job, Some(gateway.clone()));
        let ending = self.supervise(job, &gateway, bell).await;
        self.world.stop(job).await;
        let ended = timeout(Duration::from_secs(10), self.world.wait(job)).await;
        self.set_gateway(job, None);
        gateway.close();
        gateway.asking.stop().await;
        gateway.intake.settle().await;
        (ending, ended.ok().and_then(Result::ok))
    }

    async fn supervise(&self, job: JobId, gateway: &Gateway, bell: watch::Receiver<()>) -> Ending {
        let (mut verdict, mut connected) =
            (gateway.verdict.subscribe(), gateway.connected.subscribe());
        let cancel = self.live.borrow()[&job].cancel.clone();
        let no_hello = async {
            if timeout(HELLO_PATIENCE, connected.wait_for(|connected| *connected)).await.is_ok() {
                pending::<()>().await;
            }
        };
        let forced = async {
            cancel.cancelled().await;
            gateway.orders.send_modify(::gateway::Orders::cancel);
            if *gateway.connected.borrow() {
                sleep(CANCEL_GRACE).await;
            }
        };
        tokio::select! {
            biased;
            ending = verdict.wait_for(Option::is_some) => ending.unwrap().clone().unwrap(),
            ended = self.world.wait(job) => outcome::lost(ended),
            () = no_hello => Ending::error(types::Reason::SandboxFailed, "no hello"),
            () = forced => Ending::cancelled(),
            () = self.pass_on(job, bell, gateway) => pending().await,
        }
    }

    async fn pass_on(&self, job: JobId, mut bell: watch::Receiver<()>, gateway: &Gateway) {
        let mut after = 0;
        while bell.changed().await.is_ok() {
            self.world.delay().await;
            for wish in self.wishes(job, after) {
                after = wish.n;
                gateway.orders.send_if_modified(|orders| orders.instruct(wish));
            }
        }
        pending().await
    }

    fn wishes(&self, job: JobId, after: u64) -> Vec<Instruction> {
        let row = self.world.row(job);
        let later = row.events.iter().filter(|event| event.seq > after).cloned();
        later.filter_map(converse::instruction).collect()
    }

    fn set_gateway(&self, job: JobId, gateway: Option<Rc<Gateway>>) {
        if let Some(live) = self.live.borrow_mut().get_mut(&job) {
            live.gateway = gateway;
        }
    }

    pub(super) fn gateway(&self, job: JobId) -> Option<Rc<Gateway>> {
        self.live.borrow().get(&job).and_then(|live| live.gateway.clone())
    }

    pub(super) async fn conclude(&self, job: JobId) {
        let state = self.world.state(job);
        if state.zip_bytes.is_none() {
            self.world.delay().await;
            let packed = Input::Packed { files: 1, bytes: 1, left_out: 0 };
            if !self.happen(job, Durability::Full, packed).await {
                return;
            }
        }
        self.world.remove(job).await;
        if self.happen(job, Durability::Full, Input::Removed).await {
            self.live.borrow_mut().remove(&job);
        }
    }

    async fn happen(&self, job: JobId, durability: Durability, input: Input) -> bool {
        self.settle(job, durability, input, |_| ()).await
    }

    async fn settle(
        &self,
        job: JobId,
        durability: Durability,
        input: Input,
        note: impl Fn(&mut Draft),
    ) -> bool {
        loop {
            let change = |draft: &mut Draft| {
                note(draft);
                lifecycle::apply_to(draft, input.clone())
            };
            match self.world.update(job, durability, change).await {
                Some(applied) => return applied.is_ok(),
                None => self.world.delay().await,
            }
        }
    }
}
