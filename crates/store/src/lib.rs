//! Jobs and their append-only event logs, and keys to the API, on SQLite.
//!
//! One thread writes; everything it finds waiting goes into one transaction, so a hundred jobs that
//! arrive at once cost one sync. Because nobody else writes, a change is a plain function on the
//! job's state ([`Store::update`]) and no two changes can race. Reads run beside it on their own
//! connections.
//!
//! Invariants: a job's `seq` is 1, 2, 3 … without gaps; what [`Store::insert`] or a
//! [`Durability::Full`] update answered survives a power cut; other updates survive the death of the
//! process and reach the disk with the next full one.

mod backup;
mod census;
mod commits;
mod full;
mod insert;
mod keys;
mod outbox;
mod read;
mod row;
mod schema;
mod wal;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use backup::{CopiedJob, Copy, check};
pub use census::{Census, Spent};
pub use commits::Commits;
use jiff::Timestamp;
pub use keys::KeptKey;
pub use outbox::{Message, Told};
pub use row::{JobState, Reserved, Session, Spend};
use types::{Event, EventKind, JobId, JobRecord, JobSpec, JobStatus, JobSummary, LastStep};
pub use writer::{Draft, Durability};

use crate::read::Readers;
use crate::writer::Writer;

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
}

/// A job to be kept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// When it was accepted.
    pub created: Timestamp,
    /// What is to be done.
    pub spec: JobSpec,
    /// Its first event.
    pub first: EventKind,
    /// What its client named the request, if it did.
    pub key: Option<RequestKey>,
}

/// A client's name of a request, by which a repeat is known. Kept as long as the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The name.
    pub key: String,
    /// SHA-256 of what was asked for.
    pub fingerprint: [u8; 32],
}

/// What became of a new job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept.
    New,
    /// The same request was kept before, as this job; nothing was kept now.
    Before(JobId),
    /// Another request of that name was kept before, as this job; nothing was kept now.
    Other(JobId),
    /// It is to go on after this job, whose workspace is not kept; nothing was kept now.
    NotKept(JobId),
}

/// What became of the wish to give up the workspace that an ended job left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// None is kept any more, and nobody can go on in it.
    Yes,
    /// There was none.
    NotKept,
    /// This job, which is not over, is to go on in it; it stays.
    Claimed(JobId),
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only those in one of these; all if empty.
    pub statuses: Vec<JobStatus>,
    /// Only those with this in their title, or at the beginning of their id; A to Z in any case.
    pub search: Option<String>,
    /// Only those older than this one, which need not be there any more.
    pub before: Option<JobId>,
    /// So many at most.
    pub limit: Option<u32>,
}

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

impl Store {
    /// Opens the file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// When SQLite cannot use the file, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        Ok(Self { writer: Writer::start(connection)?, readers: Arc::new(Readers::new(path)) })
    }

    /// Keeps a new job and its first event, and what people said to a job that it resumes, unless
    /// there is one of the same request. When this returns it is on the disk.
    ///
    /// # Errors
    /// When SQLite fails; nothing was kept then.
    pub async fn insert(&self, new: NewJob) -> Result<Inserted, StoreError> {
        self.writer.insert(new).await
    }

    /// What became of an earlier request of this name: [`Inserted::Before`] or [`Inserted::Other`],
    /// none if there was none.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn request(&self, key: RequestKey) -> Result<Option<Inserted>, StoreError> {
        self.readers.run(move |db| insert::by_key(db, &key)).await
    }

    /// Changes a job: `change` sees its state and may set any of it and append events. It runs on
    /// the writer's thread, alone, so it must be quick and must not block.
    ///
    /// # Errors
    /// When there is no such job or SQLite fails; nothing was changed then.
    pub async fn update<R: Send + 'static>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        self.writer.update(job, durability, change).await
    }

    /// Forgets a job and its events: those a piece at a time, so that nobody waits for a long log
    /// to go.
    ///
    /// # Errors
    /// When SQLite fails; part of the events may be gone then.
    pub async fn delete(&self, job: JobId) -> Result<(), StoreError> {
        while self.writer.delete_events(job).await? {}
        self.writer.delete(job).await
    }

    /// Everything known of a job.
    ///
    /// # Errors
    /// When there is no such job or SQLite fails.
    pub async fn job(&self, job: JobId) -> Result<JobRecord, StoreError> {
        self.readers.run(move |db| read::job(db, job)).await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn jobs(&self, which: JobFilter) -> Result<Vec<JobSummary>, StoreError> {
        self.readers.run(move |db| read::jobs(db, &which)).await
    }

    /// Those of these jobs that there are.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn summaries(&self, of: Vec<JobId>) -> Result<Vec<JobSummary>, StoreError> {
        self.readers.run(move |db| read::these(db, &of)).await
    }

    /// The jobs that have not reached their end, oldest first.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn unfinished(&self) -> Result<Vec<JobSummary>, StoreError> {
        self.readers.run(read::unfinished).await
    }

    /// The jobs that reached their end at none of these times, oldest first; not those in whose
    /// workspace another one is to go on.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn finished_outside(
        &self,
        times: Range<Timestamp>,
    ) -> Result<Vec<JobId>, StoreError> {
        self.readers.run(move |db| read::finished_outside(db, &times)).await
    }

    /// What the results and logs of jobs that reached their end take, in bytes, oldest first; not
    /// those in whose workspace another one is to go on.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn results(&self) -> Result<Vec<(JobId, u64)>, StoreError> {
        self.readers.run(read::results).await
    }

    /// At most `most` events of a job, from the one after `after`; fewer, but one if there is one, if
    /// they are long.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn events(
        &self,
        job: JobId,
        after: u64,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        self.readers.run(move |db| read::events(db, job, after, most)).await
    }

    /// What people said to a job, decided and took, from the event after `after`; what its agent said
    /// is among it.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn from_people(&self, job: JobId, after: u64) -> Result<Vec<Event>, StoreError> {
        self.readers.run(move |db| read::conversation(db, job, after)).await
    }

    /// How the last step went that is recorded of a job; none if it never finished one.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn last_step(&self, job: JobId) -> Result<Option<LastStep>, StoreError> {
        self.readers.run(move |db| read::last_step(db, job)).await
    }

    /// The job whose workspace waits longest for somebody who resumes it, without one yet.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn oldest_kept(&self) -> Result<Option<JobId>, StoreError> {
        self.readers.run(read::oldest_kept).await
    }

    /// Notes that the workspace of an ended job is to go, unless somebody resumed it.
    ///
    /// # Errors
    /// When there is no such job or SQLite fails; nothing was changed then.
    pub async fn give_up(&self, job: JobId) -> Result<GivenUp, StoreError> {
        self.writer.give_up(job).await
    }

    /// Keeps a new key to the API, or one of the same id as it is now. When this returns it is on
    /// the disk.
    ///
    /// # Errors
    /// When SQLite fails; nothing was changed then.
    pub async fn save_key(&self, key: KeptKey) -> Result<(), StoreError> {
        self.writer.save_key(key).await
    }

    /// How many jobs there are, and what they hold.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn census(&self) -> Result<Census, StoreError> {
        self.readers.run(census::take).await
    }

    /// What agents of the jobs that are kept have spent on models: of those accepted from this time
    /// on, and of all.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn spent(&self, since: Timestamp) -> Result<[Spent; 2], StoreError> {
        self.readers.run(move |db| census::spent(db, since)).await
    }

    /// How commits go.
    #[must_use]
    pub fn commits(&self) -> &Commits {
        self.writer.commits()
    }

    /// Writes what is there already, through to the disk: whether a change would be kept.
    ///
    /// # Errors
    /// When it would not.
    pub async fn touch(&self) -> Result<(), StoreError> {
        self.writer.touch().await
    }

    /// Every key to the API, also those that were revoked.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        self.readers.run(keys::all).await
    }
}
