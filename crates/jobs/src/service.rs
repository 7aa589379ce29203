use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use ipnet::IpNet;
use models::Models;
use store::{JobFilter, Store, StoreError};
use types::{JobId, JobRecord, JobStatus, JobSummary, LimitsPolicy, Network, Stream};

use crate::accept::{self, ScheduleError, ScheduleRequest};
use crate::ballast::Ballast;
use crate::clock::Clock;
use crate::files::FilesError;
use crate::folders::{Folders, OpenError};
use crate::follow::Follower;
pub(crate) use crate::inner::Inner;
use crate::keys::Keys;
use crate::staging::Staging;

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many jobs may run at one time. 0 is for commands that only look: nothing is admitted
    /// and nothing an earlier orchestrator left is touched.
    pub concurrency: usize,
    /// How long a finished job is kept.
    pub retention: Duration,
    /// What jobs may use.
    pub limits: LimitsPolicy,
    /// What jobs may reach.
    pub network: NetworkPolicy,
    /// Networks that jobs may reach though they are not public, as far as their own setting goes.
    pub egress_allow: Arc<[IpNet]>,
    /// TCP ports on which the orchestrator itself listens; jobs never reach them on this machine.
    pub own_ports: Arc<[u16]>,
    /// Who answers agents; may be empty.
    pub models: Arc<Models>,
    /// Bytes of disk below which nothing is accepted.
    pub reserve_bytes: u64,
    /// Bytes that results and logs of jobs that are over may take; beyond it the oldest are forgotten.
    pub results_bytes: u64,
    /// How long a job that has not begun waits for an engine that is away.
    pub engine_patience: Duration,
    /// Whether what happens to jobs is kept until somebody has heard it ([`crate::Outbox`]).
    pub tells: bool,
    /// What says how old jobs and keys are.
    pub clock: Clock,
}

/// What the operator gives and allows of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// For whoever asks for nothing; lowered to the ceiling.
    pub default: Network,
    /// The most anybody may ask for.
    pub ceiling: Network,
}

impl NetworkPolicy {
    /// What it comes to: a default beyond the ceiling is the ceiling.
    pub(crate) fn in_force(&self) -> Self {
        let is_within = self.default.is_within(&self.ceiling);
        let default = if is_within { &self.default } else { &self.ceiling };
        Self { default: default.clone(), ceiling: self.ceiling.clone() }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Only those in one of these; all if empty.
    pub statuses: Vec<JobStatus>,
    /// Only those with this in their title, or at the beginning of their id; A to Z in any case.
    pub search: Option<String>,
    /// So many at most; all if none.
    pub limit: Option<u32>,
    /// Only those older than this one, which need not be there any more.
    pub after: Option<JobId>,
}

/// A part of the list of jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobSummary>,
    /// What to ask for jobs after; none if there are no more.
    pub next: Option<JobId>,
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

/// Why a job was not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// It could not be looked at, or there is none.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It may still be working.
    #[error("the job is {0}; cancel it first, or wait until it is over")]
    NotOver(JobStatus),
    /// Another one is to go on in its workspace.
    #[error("job {0} is to go on in its workspace; wait until that one runs, or cancel it first")]
    Claimed(JobId),
    /// Its files could not be removed.
    #[error("remove the job's files: {0}")]
    Io(#[from] std::io::Error),
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
    pub(crate) inner: Arc<Inner>,
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
        let runs = config.concurrency > 0;
        let ballast = Ballast::of(&folders.store());
        let store = match Store::open(&folders.store()) {
            // To open it takes some room, too; how a full disk fails that depends on the file.
            Err(StoreError::Sqlite { .. } | StoreError::InDoubt { .. }) => {
                ballast.give_way();
                Store::open(&folders.store())?
            }
            opened => opened?,
        };
        store.fill_outbox(config.tells);
        let keys = Keys::open(&store, &folders).await?;
        let inner = Arc::new(Inner::new(folders, ballast, store, keys, config, engines));
        if runs {
            inner.ballast.hold();
            inner.recover().await?;
            inner.tasks.spawn(inner.clone().sweep_for_ever());
            inner.tasks.spawn(inner.clone().watch_disk_for_ever());
        }
        Ok(Self { inner })
    }

    /// Accepts a job. When this returns it is durable. A request that names itself as one before it
    /// did, and asks for the same, is answered with the job of that one.
    ///
    /// # Errors
    /// Says what is wrong with the request; nothing was kept then.
    pub async fn schedule(&self, request: ScheduleRequest) -> Result<JobId, ScheduleError> {
        let inner = &self.inner;
        if let Err(refusal) = inner.admit() {
            return inner.repeated(request, refusal).await;
        }
        let this = inner.clone();
        // A hostile runbook of 1 MiB takes a quarter of a second to read.
        let checked = tokio::task::spawn_blocking(move || accept::accept(request, &this.terms()));
        let accepted = checked.await.map_err(|_| ScheduleError::Stopping)??;
        let this = inner.clone();
        // A task of its own: a client that leaves now must not leave a job that nobody runs.
        let kept = inner.tasks.spawn(async move { this.keep(accepted).await });
        kept.await.map_err(|_| ScheduleError::Stopping)?
    }

    /// Begins to take the input files of a request that is still to come.
    ///
    /// # Errors
    /// When the disk is full.
    pub async fn stage(&self) -> Result<Staging, FilesError> {
        Staging::begin(&self.inner.folders, self.inner.room.clone()).await
    }

    /// One job.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn get(&self, job: JobId) -> Result<JobRecord, JobError> {
        Ok(self.inner.store.job(job).await?)
    }

    /// A job as it is when it is over, or as it is by then when `patience` is.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn wait_until_over(
        &self,
        job: JobId,
        patience: Duration,
    ) -> Result<JobRecord, JobError> {
        let news = self.inner.live().get(&job).map(|live| live.news.subscribe());
        if let Some(mut news) = news {
            // The bell goes when the job is over.
            let over = async { while news.changed().await.is_ok() {} };
            tokio::select! {
                () = self.inner.stopping.cancelled() => {}
                _ = tokio::time::timeout(patience, over) => {}
            }
        }
        self.get(job).await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, request: &ListRequest) -> Result<JobPage, JobError> {
        let limit = request.limit.map(|limit| limit.saturating_add(1));
        let (statuses, search) = (request.statuses.clone(), request.search.clone());
        let which = JobFilter { statuses, search, before: request.after, limit };
        let mut jobs = self.inner.store.jobs(which).await?;
        // One more than asked for says whether there are more.
        let most = request.limit.map_or(usize::MAX, |limit| limit as usize);
        let next = if jobs.len() > most { jobs[..most].last().map(|job| job.id) } else { None };
        jobs.truncate(most);
        Ok(JobPage { jobs, next })
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
        // Before the look: a job that ends after it rings.
        let follower = Follower::new(self.inner.clone(), job, after);
        self.inner.store.job(job).await?;
        Ok(follower)
    }

    /// Removes every trace of a job that is over, now.
    ///
    /// # Errors
    /// When there is none, it is not over, or another one is to go on in its workspace.
    pub async fn forget(&self, job: JobId) -> Result<(), ForgetError> {
        let status = self.get(job).await?.status;
        if !status.is_final() {
            return Err(ForgetError::NotOver(status));
        }
        let this = self.inner.clone();
        let done = self.inner.tasks.spawn(async move { this.erase(job).await });
        done.await.map_err(|_| ForgetError::Job(JobError::Store(StoreError::Closed)))?
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
}
