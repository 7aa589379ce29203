//! A copy of everything that is kept, made while an orchestrator works, and the way back.
//!
//! ```text
//! <backup>/manifest.json   every other file, its size and SHA-256
//! <backup>/cagent.db       jobs, events, hashes of keys: of one moment
//! <backup>/jobs/<job>/     output.zip, stdout.log, stderr.log
//! <backup>/inputs/<job>/   input files of a job that had not begun
//! ```
//!
//! The store is copied first, then what its jobs have. What is over does not change, a log only grows,
//! and what a job loses by beginning or by being forgotten meanwhile is put right in the copied store.
//!
//! Not here: sandboxes. A job that had begun ends as interrupted when its copy is started.

mod file;
mod make;
mod manifest;
mod restore;

use std::io;
use std::path::{Path, PathBuf};

use store::StoreError;
use types::JobId;

use crate::folders::OpenError;
pub use make::backup;
pub use restore::restore;

/// The store's name in a backup.
const STORE: &str = "cagent.db";

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// How many jobs.
    pub jobs: u64,
    /// How many of them had begun and were not over: they end as interrupted.
    pub begun: u64,
    /// How many of them had not begun: they are run when the copy is started.
    pub queued: u64,
    /// How many files.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
    /// Jobs that were forgotten while the copy was made, and are not in it.
    pub forgotten: Vec<JobId>,
    /// Files of jobs that are not there though they should be.
    pub missing: Vec<PathBuf>,
}

/// Why there is no backup, or it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is ever overwritten.
    #[error("{} is there already; name a new directory", .0.display())]
    Exists(PathBuf),
    /// There is nothing to copy.
    #[error("no jobs were ever kept in {}", .0.display())]
    Nothing(PathBuf),
    /// Nothing is mixed with what is there.
    #[error("{} is not empty: there is {entry}; name a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// It is no backup, or a damaged one.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// The file that is not what it should be.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file or directory could not be used.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store could not be copied, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), why: why.into() }
    }
}
