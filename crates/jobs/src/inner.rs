use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Engine;
use gateway::Dialer;
use store::{Draft, Durability, Inserted, NewJob, Store, StoreError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use types::{EventKind, JobId, JobStatus, UsageSample};

use crate::accept::{Accepted, ScheduleError, Terms};
use crate::ballast::Ballast;
use crate::changes::Changes;
use crate::folders::Folders;
use crate::follow::Tip;
use crate::keys::Keys;
use crate::lease::{Held, Leases, Use};
use crate::lifecycle::{self, Input};
use crate::metered::Metered;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::readiness::Tried;
use crate::room::Room;
use crate::service::{Cancellation, Config};
use crate::slot::span;
use crate::staging::Inputs;

/// How many results are packed at one time: each takes about 1 MiB of memory, and thousands of
/// waiting jobs may be cancelled at once.
const PACKERS: usize = 16;

/// What everything in this crate shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) folders: Folders,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) stopping: CancellationToken,
    /// No job begins any more; cancelled with `stopping`, too.
    pub(crate) draining: CancellationToken,
    /// What has a slot, among `tasks`.
    pub(crate) runs: TaskTracker,
    pub(crate) tasks: TaskTracker,
    pub(crate) room: Arc<Room>,
    pub(crate) ballast: Ballast,
    pub(crate) packers: Semaphore,
    /// Rings when a job has reached its end.
    pub(crate) ended: Notify,
    pub(crate) changes: Changes,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tried: Tried,
    queue: Mutex<Queue>,
    live: Mutex<HashMap<JobId, Live>>,
}

/// What a job has that has not ended.
#[derive(Debug)]
pub(crate) struct Live {
    /// Rings when there are new events, and tells the newest one's `seq`, or 0 while nobody rang;
    /// gone once the job has ended.
    pub(crate) news: watch::Sender<u64>,
    /// What those who wait for it read together.
    pub(crate) tip: Arc<Tip>,
    /// Tells the job's runner that a cancel was accepted.
    pub(crate) cancel: CancellationToken,
    /// Tells it to end the job, because the disk is nearly full.
    pub(crate) evict: CancellationToken,
    /// Rings when a person said or decided something, and counts its bytes; what, the events say.
    pub(crate) wishes: watch::Sender<usize>,
    /// What its sandbox used when somebody looked last.
    pub(crate) uses: Option<UsageSample>,
    /// What opens connections into its sandbox, while there is one.
    pub(crate) dialer: Option<Dialer>,
    inputs: Arc<Inputs>,
    leases: Arc<Leases>,
}

impl Inner {
    pub(crate) fn new(
        folders: Folders,
        ballast: Ballast,
        store: Store,
        keys: Keys,
        config: Config,
        engines: Vec<Arc<dyn Engine>>,
    ) -> Self {
        let stopping = CancellationToken::new();
        let metrics = Arc::new(Metrics::new(store.commits()));
        let engines = engines.into_iter().map(|engine| Metered::over(engine, &metrics)).collect();
        Self {
            room: Arc::new(Room::new(folders.roots(), config.reserve_bytes)),
            folders,
            ballast,
            store,
            keys,
            engines,
            metrics,
            tried: Tried::default(),
            queue: Mutex::new(Queue::new(config.concurrency)),
            config,
            packers: Semaphore::new(PACKERS),
            ended: Notify::new(),
            changes: Changes::default(),
            live: Mutex::default(),
            draining: stopping.child_token(),
            stopping,
            runs: TaskTracker::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// What a request is measured by.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            engines: self.engines.iter().map(|engine| engine.name()).collect(),
            limits: &self.config.limits,
            network: &self.config.network,
            models: &self.config.models,
        }
    }

    /// Makes an accepted job durable, then lets it wait for its turn.
    pub(crate) async fn keep(self: &Arc<Self>, accepted: Accepted) -> Result<JobId, ScheduleError> {
        let Accepted { spec, key, inputs } = accepted;
        let told = match &spec.resumes {
            Some(resumes) => self.inherited(resumes.job).await?,
            None => 0,
        };
        let id = JobId::generate();
        let inputs = match inputs {
            Some(staged) => {
                // There is to be room for the copy in the workspace, too: who waits for that has a slot.
                drop(self.room.set_aside(&self.folders.store(), staged.bytes())?);
                let to = self.folders.inputs(id);
                let settled = tokio::task::spawn_blocking(move || staged.settle(&to)).await;
                settled.map_err(|_| ScheduleError::Stopping)?.map_err(ScheduleError::Inputs)?
            }
            None => Arc::default(),
        };
        let first = EventKind::Scheduled { mode: spec.mode };
        // Before: who sees it in a list may follow it at once.
        self.enliven(id, inputs, told);
        let new = NewJob { id, created: self.config.clock.now(), spec, first, key };
        let kept = match self.store.insert(new).await {
            Ok(Inserted::New) => {
                tracing::info!(job = %id, "accepted");
                self.metrics.accepted.inc();
                self.changes.ring(id);
                self.queue().push(id);
                self.pump();
                return Ok(id);
            }
            Ok(Inserted::Before(job)) => Ok(job),
            Ok(Inserted::Other(job)) => Err(ScheduleError::KeyReused { job }),
            Ok(Inserted::NotKept(_)) => Err(ScheduleError::NotKept),
            Err(e) if e.is_disk_full() => Err(self.room.refusal().into()),
            Err(e) => Err(e.into()),
        };
        self.live().remove(&id);
        self.drop_inputs(id).await;
        kept
    }

    /// Removes the input files of a job that needs them no more.
    pub(crate) async fn drop_inputs(&self, job: JobId) {
        match tokio::fs::remove_dir_all(self.folders.inputs(job)).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%job, "could not remove a job's input files: {e}");
            }
            _ => {}
        }
    }

    /// Removes the input files of a job that is never started again, beside its work.
    pub(crate) fn release_inputs(self: &Arc<Self>, job: JobId) {
        let this = self.clone();
        if self.inputs(job).is_some_and(|inputs| inputs.take().is_some()) {
            self.tasks.spawn(async move { this.drop_inputs(job).await });
        }
    }

    /// The inputs of a job that is not over.
    pub(crate) fn inputs(&self, job: JobId) -> Option<Arc<Inputs>> {
        self.live().get(&job).map(|live| live.inputs.clone())
    }

    /// Takes back what is open in a job's workspace: what is written when that is packed, what is
    /// read when it goes.
    pub(crate) fn lend<T: Send + std::fmt::Debug + 'static>(
        &self,
        job: JobId,
        held: &Held<T>,
        what_for: Use,
    ) {
        match self.live().get(&job) {
            Some(live) => live.leases.add(held, what_for),
            None => held.revoke(),
        }
    }

    /// Closes what is open in a job's workspace; nothing is opened there after that.
    pub(crate) async fn end_leases(&self, job: JobId, what_for: Use) {
        let leases = self.live().get(&job).map(|live| live.leases.clone());
        if let Some(leases) = leases {
            drop(tokio::task::spawn_blocking(move || leases.end(what_for)).await);
        }
    }

    pub(crate) async fn cancel(self: &Arc<Self>, job: JobId) -> Result<Cancellation, StoreError> {
        let cancelled = || self.change(job, Durability::Full, cancel);
        let (before, cancellation) = self.soon(job, cancelled).await?;
        if before == JobStatus::Scheduled {
            // It holds no slot and has no sandbox: it goes straight to its end.
            self.queue().done(job);
            let this = self.clone();
            self.tasks.spawn(async move { this.conclude(job).await }.instrument(span(job)));
        } else if let Some(live) = self.live().get(&job) {
            live.cancel.cancel();
        }
        Ok(cancellation)
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, HashMap<JobId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to tell followers of a job, whose agent was told so many bytes before.
    pub(crate) fn enliven(&self, job: JobId, inputs: Arc<Inputs>, told: usize) {
        let live = Live {
            news: watch::Sender::new(0),
            tip: Arc::default(),
            cancel: CancellationToken::new(),
            evict: CancellationToken::new(),
            wishes: watch::Sender::new(told),
            uses: None,
            dialer: None,
            inputs,
            leases: Arc::default(),
        };
        self.live().insert(job, live);
    }

    pub(crate) fn engine(&self, name: &str) -> Option<Arc<dyn Engine>> {
        self.engines.iter().find(|engine| engine.name() == name).cloned()
    }
}

/// Asks for a job to be cancelled; its status before, and what that did.
pub(crate) fn cancel(draft: &mut Draft) -> (JobStatus, Cancellation) {
    let before = draft.state.status;
    // A cancel is possible in every status.
    drop(lifecycle::apply_to(draft, Input::Cancel));
    let state = &draft.state;
    let ends = state.ending.as_ref().map(|ending| ending.status);
    let cancelled = state.cancel_requested || ends == Some(JobStatus::Cancelled);
    (before, Cancellation { cancelled, status: state.status })
}
