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
mod change;
mod commits;
mod error;
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
use std::path::Path;
use std::sync::Arc;

pub use backup::{CopiedJob, Copy, check};
pub use census::{Census, Spent};
pub use change::Draft;
pub use commits::Commits;
pub use error::StoreError;
pub use insert::{GivenUp, Inserted, NewJob, RequestKey};
use jiff::Timestamp;
pub use keys::KeptKey;
pub use outbox::{Message, Told};
pub use read::JobFilter;
pub use row::{JobState, Reserved, Session, Spend};
use types::{Event, JobId, JobRecord, JobSummary, LastStep};
pub use writer::Durability;

use crate::read::Readers;
use crate::writer::Writer;

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
}

impl Store {
    /// Opens the file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// When SQLite cannot use the file, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (db, wal) = schema::open(path)?;
        Ok(Self { writer: Writer::start(db, wal)?, readers: Arc::new(Readers::new(path)) })
    }

    /// Keeps a new job and its first event, and what people said to a job that it resumes, unless
    /// there is one of the same request. When this returns it is on the disk.
    ///
    /// # Errors
    /// When SQLite fails; nothing was kept then.
    pub async fn insert(&self, new: NewJob) -> Result<Inserted, StoreError> {
        self.writer.submit(Durability::Full, move |inner| inner.insert(new)).await
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
        self.writer.submit(durability, move |inner| inner.update(job, change)).await
    }

    /// Forgets a job and its events: those a piece at a time, so that nobody waits for a long log
    /// to go.
    ///
    /// # Errors
    /// When SQLite fails; part of the events may be gone then.
    pub async fn delete(&self, job: JobId) -> Result<(), StoreError> {
        let grouped = Durability::Grouped;
        while self.writer.submit(grouped, move |inner| inner.delete_events(job)).await? {}
        self.writer.submit(grouped, move |inner| inner.delete(job)).await
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
        self.writer.submit(Durability::Full, move |inner| inner.give_up(job)).await
    }

    /// Keeps a new key to the API, or one of the same id as it is now. When this returns it is on
    /// the disk.
    ///
    /// # Errors
    /// When SQLite fails; nothing was changed then.
    pub async fn save_key(&self, key: KeptKey) -> Result<(), StoreError> {
        self.writer.submit(Durability::Full, move |inner| inner.save_key(&key)).await
    }

    /// The job that goes on after this one; none if nobody resumed it, or that one is forgotten.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn resumed_by(&self, job: JobId) -> Result<Option<JobId>, StoreError> {
        self.readers.run(move |db| insert::successor(db, job)).await
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
    /// When it would not, or the disk failed so that the store is to be opened anew.
    pub async fn touch(&self) -> Result<(), StoreError> {
        self.writer.submit(Durability::Full, |inner| inner.touch()).await
    }

    /// Every key to the API, also those that were revoked.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        self.readers.run(keys::all).await
    }
}
