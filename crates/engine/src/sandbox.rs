use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{JobId, Limits, Usage};

/// What a sandbox is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxSpec {
    /// Whose it is.
    pub job: JobId,
    /// What it may use.
    pub limits: Limits,
    /// The image it is made from; none for the engine's own default.
    pub image: Option<String>,
}

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    /// Made, never started.
    Created,
    /// agentd runs.
    Running,
    /// Everything inside is dead.
    Ended,
}

/// How a sandbox ended, and what it had used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub end: SandboxEnd,
    /// What it used.
    pub usage: Usage,
    /// Whether its workspace had no room left, in bytes or in files.
    #[serde(default)]
    pub disk_full: bool,
    /// Whether the host lost some of what was written to its workspace: no file of it can be trusted.
    #[serde(default)]
    pub disk_lost: bool,
}

/// How a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum SandboxEnd {
    /// agentd ended by itself.
    Exited {
        /// Its exit code; 128 + n if signal n killed it.
        code: i32,
    },
    /// `stop` was called.
    Stopped,
    /// The wall time was over.
    WallTime,
    /// Its workspace held more than `limits.disk_bytes`, where that is watched but not enforced.
    DiskQuota,
    /// How much its workspace held could not be found out any more, so the limit meant nothing.
    DiskUnknown,
    /// Nobody knows: the helper itself was killed.
    Lost,
}

/// What an engine could not do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot work on this machine.
    #[error("the {engine} engine is not available: {why}; {cure}")]
    Unavailable {
        /// The engine.
        engine: &'static str,
        /// Why.
        why: String,
        /// What an operator can do.
        cure: String,
    },
    /// The engine works on this machine, and does not answer at this moment; nothing was done.
    #[error("the {engine} engine does not answer: {why}; {cure}")]
    Away {
        /// The engine.
        engine: &'static str,
        /// Why.
        why: String,
        /// What an operator can do, if it stays like this.
        cure: String,
    },
    /// There is no such image, or it cannot be used.
    #[error("the image {image} cannot be used: {why}; {cure}")]
    Image {
        /// Its name.
        image: String,
        /// Why not.
        why: String,
        /// What an operator can do.
        cure: String,
    },
    /// No sandbox of that job.
    #[error("there is no sandbox of job {0}")]
    NotFound(JobId),
    /// A sandbox of that job exists already.
    #[error("a sandbox of job {0} exists already")]
    Exists(JobId),
    /// The machine has no room: no free uids, no disk.
    #[error("no room for another sandbox: {0}")]
    Exhausted(String),
    /// The call was not answered in time.
    #[error("{what} of job {job} took longer than {}s", limit.as_secs())]
    TimedOut {
        /// Whose sandbox.
        job: JobId,
        /// Which call.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// A system call failed.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The sandbox could not be set up from inside.
    #[error("set up the sandbox of job {job}: {message}")]
    Setup {
        /// Whose.
        job: JobId,
        /// What the helper said.
        message: String,
    },
}
