use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Engine;
use jiff::Timestamp;
use store::{Draft, Durability, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{EventKind, JobId, JobRecord, JobSpec, JobStatus, JobSummary, Stream};

use crate::accept::{self, ScheduleError, ScheduleRequest};
use crate::folders::{Folders, OpenError};
use crate::follow::Follower;
use crate::lifecycle::{self, Input};
use crate::queue::Queue;

/// Pauses between tries of a store that fails: from one that nobody notices to one that costs
/// nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many jobs may run at one time. 0 is for commands that only look: nothing is admitted
    /// and nothing an earlier orchestrator left is touched.
    pub concurrency: usize,
    /// How long a finished job is kept.
    pub retention: Duration,
}

/// Why a job could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is none, or its retention is over.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// The store failed; the text is for the log, not for the client.
    #[error("read the job: {0}")]
    Store(#[source] StoreError),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(job) => Self::NotFound(job),
            error => Self::Store(error),
        }
    }
}

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Whether the job ends or ended as `cancelled`; false if it ends otherwise.
    pub cancelled: bool,
    /// Its status after the call.
    pub status: JobStatus,
}

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {
    inner: Arc<Inner>,
}

impl Jobs {
    /// Opens the store, picks up what an earlier orchestrator left, starts the queue.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn open(
        folders: Folders,
        config: Config,
        engines: Vec<Arc<dyn Engine>>,
    ) -> Result<Self, OpenError> {
        let store = Store::open(&folders.store())?;
        let inner = Arc::new(Inner {
            folders,
            store,
            engines,
            queue: Mutex::new(Queue::new(config.concurrency)),
            live: Mutex::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        if config.concurrency > 0 {
            inner.recover().await?;
            inner.tasks.spawn(inner.clone().sweep_for_ever(config.retention));
        }
        Ok(Self { inner })
    }

    /// Accepts a job. When this returns it is durable.
    ///
    /// # Errors
    /// Says what is wrong with the request; nothing was kept then.
    pub async fn schedule(&self, request: ScheduleRequest) -> Result<JobId, ScheduleError> {
        let inner = &self.inner;
        if inner.stopping.is_cancelled() {
            return Err(ScheduleError::Stopping);
        }
        let names: Vec<_> = inner.engines.iter().map(|engine| engine.name()).collect();
        // A hostile runbook of 1 MiB takes a quarter of a second to read.
        let checked = tokio::task::spawn_blocking(move || accept::accept(request, &names)).await;
        let spec = checked.map_err(|_| ScheduleError::Stopping)??;
        let job = JobId::generate();
        let this = inner.clone();
        // A task of its own: a client that leaves now must not leave a job that nobody runs.
        let kept = inner.tasks.spawn(async move { this.keep(job, spec).await });
        kept.await.map_err(|_| ScheduleError::Stopping)??;
        Ok(job)
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn get(&self, job: JobId) -> Result<JobRecord, JobError> {
        Ok(self.inner.store.job(job).await?)
    }

    /// Every job, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<JobSummary>, JobError> {
        Ok(self.inner.store.jobs().await?)
    }

    /// Asks for a job to be cancelled; returns at once, the job ends soon after.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn cancel(&self, job: JobId) -> Result<Cancellation, JobError> {
        let this = self.inner.clone();
        // As with `schedule`: what was recorded must also be done.
        let done = self.inner.tasks.spawn(async move { this.cancel(job).await });
        Ok(done.await.map_err(|_| JobError::Store(StoreError::Closed))??)
    }

    /// The job's events after `seq`, then those that come.
    ///
    /// # Errors
    /// When there is no such job, or the store fails.
    pub async fn follow(&self, job: JobId, after: u64) -> Result<Follower, JobError> {
        let news = self.inner.live().get(&job).map(|live| live.news.subscribe());
        self.inner.store.job(job).await?;
        Ok(Follower::new(self.inner.clone(), job, after, news))
    }

    /// Where the job's ZIP is, once `JobRecord::zip_bytes` is set.
    #[must_use]
    pub fn zip_path(&self, job: JobId) -> PathBuf {
        self.inner.folders.zip(job)
    }

    /// Where the whole log of a stream is; the file may not exist yet (then it is empty).
    #[must_use]
    pub fn log_path(&self, job: JobId, stream: Stream) -> PathBuf {
        self.inner.folders.log(job, stream)
    }

    /// Stops admitting jobs and returns once nothing is half-written. Sandboxes stay up: the next
    /// orchestrator on this data directory goes on with them.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

/// What everything in this crate shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) folders: Folders,
    pub(crate) store: Store,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
    queue: Mutex<Queue>,
    live: Mutex<HashMap<JobId, Live>>,
}

/// What a job has that has not ended.
#[derive(Debug)]
pub(crate) struct Live {
    /// Rings after every change; gone once the job has ended.
    pub(crate) news: watch::Sender<()>,
    /// Tells the job's runner that a cancel was accepted.
    pub(crate) cancel: CancellationToken,
}

impl Inner {
    /// Makes an accepted job durable, then lets it wait for its turn.
    async fn keep(self: &Arc<Self>, job: JobId, spec: JobSpec) -> Result<(), StoreError> {
        let first = EventKind::Scheduled { mode: spec.mode };
        self.store.insert(job, Timestamp::now(), spec, first).await?;
        tracing::info!(%job, "accepted");
        self.enliven(job);
        self.queue().push(job);
        self.pump();
        Ok(())
    }

    async fn cancel(self: &Arc<Self>, job: JobId) -> Result<Cancellation, StoreError> {
        let change = |draft: &mut Draft| {
            let before = draft.state.status;
            // A cancel is possible in every status.
            drop(lifecycle::apply_to(draft, Input::Cancel));
            let state = &draft.state;
            let ends = state.ending.as_ref().map(|ending| ending.status);
            let cancelled = state.cancel_requested || ends == Some(JobStatus::Cancelled);
            (before, Cancellation { cancelled, status: state.status })
        };
        let (before, cancellation) = self.change(job, Durability::Full, change).await?;
        if before == JobStatus::Scheduled {
            // It holds no slot and has no sandbox: it goes straight to its end.
            self.queue().done(job);
            let this = self.clone();
            self.tasks.spawn(async move { this.conclude(job).await });
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

    /// Begins to tell followers of a job.
    pub(crate) fn enliven(&self, job: JobId) {
        let live = Live { news: watch::Sender::new(()), cancel: CancellationToken::new() };
        self.live().insert(job, live);
    }

    /// The one way to change a job: in the store, then told to its followers.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let with_end = move |draft: &mut Draft| (change(draft), draft.state.status.is_final());
        let (answer, ended) = self.store.update(job, durability, with_end).await?;
        let mut live = self.live();
        if ended {
            // Dropping the bell ends the followers' wait.
            live.remove(&job);
        } else if let Some(live) = live.get(&job) {
            live.news.send_replace(());
        }
        Ok(answer)
    }

    /// Applies what happened to a job, however often the store fails (a full disk, say) before it
    /// takes it. False if it is impossible for the job as it is, or the orchestrator stops first:
    /// then the next one finds the job as it was.
    pub(crate) async fn happen(&self, job: JobId, durability: Durability, input: Input) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let input = input.clone();
            let change = move |draft: &mut Draft| lifecycle::apply_to(draft, input);
            match self.change(job, durability, change).await {
                Ok(Ok(())) => return true,
                Ok(Err(impossible)) => {
                    tracing::debug!(%job, "{impossible}");
                    return false;
                }
                Err(e) if !self.may_try_again(job, &e, &mut pause).await => return false,
                Err(_) => {}
            }
        }
    }

    /// A job as it is now; `None` if it is forgotten, or the orchestrator stops while the store
    /// fails.
    pub(crate) async fn look(&self, job: JobId) -> Option<JobRecord> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.job(job).await {
                Ok(record) => return Some(record),
                Err(e) if !self.may_try_again(job, &e, &mut pause).await => return None,
                Err(_) => {}
            }
        }
    }

    /// Waits before the store is tried again; false if that makes no sense.
    async fn may_try_again(&self, job: JobId, error: &StoreError, pause: &mut Duration) -> bool {
        if matches!(error, StoreError::NotFound(_) | StoreError::Closed) {
            return false;
        }
        tracing::error!(%job, "the store failed, it is tried again: {error}");
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(*pause) => {
                *pause = (*pause * 2).min(LAST_PAUSE);
                true
            }
        }
    }

    pub(crate) fn engine(&self, name: &str) -> Option<Arc<dyn Engine>> {
        self.engines.iter().find(|engine| engine.name() == name).cloned()
    }
}
