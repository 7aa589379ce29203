use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use types::{Event, InvalidLimits, JobId, JobRecord, JobStatus, JobSummary, Limits, Mode, Stream};

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything the orchestrator keeps, but results.
    pub data_dir: PathBuf,
    /// One folder per job: `output.zip`, `stdout.log`, `stderr.log`.
    pub output_dir: PathBuf,
    /// How many jobs may run at one time; 0 admits none (for commands that only look).
    pub concurrency: usize,
    /// How long a finished job is kept.
    pub retention: Duration,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct ScheduleRequest {
    /// The task.
    pub prompt: String,
    /// How to take it.
    pub mode: Mode,
    /// Which engine; the first one configured if not said.
    pub engine: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Whether dependency caches go into the ZIP.
    pub include_caches: bool,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("use the directory {}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another orchestrator has it.
    #[error("another cagent is using the data directory {}{}", path.display(), owner.as_deref().map(|o| format!(" ({o})")).unwrap_or_default())]
    InUse {
        /// Which.
        path: PathBuf,
        /// What the other one wrote into the lock file: its pid and address.
        owner: Option<String>,
    },
    /// The store could not be opened.
    #[error("open the store: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a job was not accepted. Nothing was kept of it.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The prompt is empty or white space.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is larger than 1 MiB.
    #[error("the prompt has {bytes} bytes; at most {most} are allowed")]
    PromptTooLarge {
        /// What was sent.
        bytes: usize,
        /// What is allowed.
        most: usize,
    },
    /// The runbook has a mistake; the text names the line.
    #[error("the runbook cannot be run: {0}")]
    BadRunbook(String),
    /// The prompt is plain language and there is no model to read it.
    #[error("the prompt is no runbook, and no model is configured to work on plain language")]
    NoModel,
    /// No such engine.
    #[error("there is no engine {asked:?}; available: {}", available.join(", "))]
    UnknownEngine {
        /// What was asked for.
        asked: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
    /// The orchestrator is going down.
    #[error("the orchestrator is stopping")]
    Stopping,
    /// The store failed; the text is for the log, not for the client.
    #[error("keep the job: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a job could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is none, or its retention is over.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// The store failed; the text is for the log, not for the client.
    #[error("read the job: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Whether the job will end as `cancelled` because of this call or an earlier one; false if it
    /// was over already.
    pub cancelled: bool,
    /// Its status after the call.
    pub status: JobStatus,
}

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {}

#[allow(clippy::todo, clippy::unused_async, unused_variables, reason = "skeleton")]
impl Jobs {
    /// Opens the store, picks up what an earlier orchestrator left, starts the queue.
    pub async fn open(config: Config, engines: Vec<Arc<dyn Engine>>) -> Result<Self, OpenError> {
        todo!()
    }

    /// Writes `text` (pid and address) into the lock file, for [`OpenError::InUse`] and for
    /// commands that look for a running server. `<data_dir>/lock`, one line.
    pub fn announce(&self, text: &str) -> std::io::Result<()> {
        todo!()
    }

    /// Accepts a job. When this returns it is durable.
    pub async fn schedule(&self, request: ScheduleRequest) -> Result<JobRecord, ScheduleError> {
        todo!()
    }

    /// One job.
    pub async fn get(&self, job: JobId) -> Result<JobRecord, JobError> {
        todo!()
    }

    /// Every job, newest first.
    pub async fn list(&self) -> Result<Vec<JobSummary>, JobError> {
        todo!()
    }

    /// Asks for a job to be cancelled; returns at once, the job ends soon after.
    pub async fn cancel(&self, job: JobId) -> Result<Cancellation, JobError> {
        todo!()
    }

    /// The job's events after `seq`, then those that come.
    pub async fn follow(&self, job: JobId, after: u64) -> Result<Follower, JobError> {
        todo!()
    }

    /// Where the job's ZIP is, once `JobRecord::zip_bytes` is set.
    #[must_use]
    pub fn zip_path(&self, job: JobId) -> PathBuf {
        todo!()
    }

    /// Where the whole log of a stream is; the file may not exist yet (then it is empty).
    #[must_use]
    pub fn log_path(&self, job: JobId, stream: Stream) -> PathBuf {
        todo!()
    }

    /// Stops admitting jobs and returns once nothing is half-written. Sandboxes stay up.
    pub async fn stop(&self) {
        todo!()
    }
}

/// Reads a job's events as they come. Bounded: it reads the store in pages, so a slow reader costs
/// nothing.
#[derive(Debug)]
pub struct Follower {}

#[allow(clippy::todo, clippy::unused_async, clippy::missing_errors_doc, reason = "skeleton")]
impl Follower {
    /// The next events, in order, output events with their `text`; `None` after the last one of an
    /// ended job.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, JobError> {
        todo!()
    }
}
