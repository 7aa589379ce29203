use std::path::PathBuf;
use std::sync::Arc;

use types::JobId;

use crate::full;

/// What the store could not do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// SQLite failed: full disk, damaged file …
    #[error("{what}: {source}")]
    Sqlite {
        /// What was tried.
        what: &'static str,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The file cannot be made, or kept from other users.
    #[error("make {} a file of our own: {source}", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// A row does not hold what this version expects.
    #[error("read {what} of job {job}: {source}")]
    Damaged {
        /// Which job.
        job: String,
        /// Which column.
        what: &'static str,
        /// What is wrong.
        source: Arc<serde_json::Error>,
    },
    /// The file was written by a newer version.
    #[error("{} was written by a newer version (schema {found}, this one knows {known}); start that version, or use another data directory", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema we know.
        known: u32,
    },
    /// It could not be brought to our schema, and is as it was.
    #[error("bring {} from schema {found} to {known}: {source}; it is as it was, so the version before can be started again; a copy is {}", path.display(), copy.display())]
    NotMigrated {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
        /// A copy of it.
        copy: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// There is no room for a copy of the file before it is changed.
    #[error("{} is to be copied and changed, which takes {needed} bytes of its disk, and {free} are free; make room, or go on with the version before", path.display())]
    NoRoomToMigrate {
        /// The file.
        path: PathBuf,
        /// What it takes.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// The file is damaged.
    #[error("{} is damaged: {found}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        found: String,
    },
    /// SQLite does not say why it failed, and nothing can be written where its file is.
    #[error("{what}: {source}")]
    Full {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The disk failed, and what was written before it may not be on it.
    #[error("write {} again after an error of the disk: {source}", path.display())]
    InDoubt {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The disk failed, and what is written stays in the log beside the file.
    #[error("{} grows until the server starts again: the disk lost what was to go from it into the store; see to the disk, then restart the server", log.display())]
    Behind {
        /// The log.
        log: PathBuf,
    },
    /// A message of the outbox cannot be read.
    #[error("read message {id} of the outbox, about job {job}: {why}")]
    BadMessage {
        /// Its place in the outbox.
        id: i64,
        /// What it is about.
        job: String,
        /// What is wrong.
        why: String,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it is for want of room on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => full::is_said(source),
            Self::InDoubt { source, .. } => full::is_why(source),
            Self::Full { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn sqlite(what: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { what, source: Arc::new(source) }
    }
}
