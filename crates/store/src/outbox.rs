//! What is to be told of jobs, written by the change that makes it true, kept until somebody has
//! heard it, though the job is forgotten meanwhile.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Notify;
use types::{JobId, JobSummary, Waiting};

use crate::row::JobState;
use crate::writer::Inner;
use crate::{Durability, Store, StoreError, row};

/// A message goes when so many came after it; so no more than these wait.
const MOST: i64 = 20_000;

/// What is told of the code that a job waits with, in bytes.
const CODE_BYTES: usize = 4096;

/// Something that is told of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its agent has begun to work.
    Started,
    /// It waits for a person.
    Waiting,
    /// It is over.
    Ended,
}

impl Told {
    /// Its name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "job.started",
            Self::Waiting => "job.waiting",
            Self::Ended => "job.ended",
        }
    }

    /// What a change of a job is, if it is to be told.
    fn of(before: &JobState, after: &JobState) -> Option<Self> {
        let moved = after.status != before.status;
        match after.status {
            status if status.is_final() && moved => Some(Self::Ended),
            types::JobStatus::Running if moved => Some(Self::Started),
            _ if after.waiting.is_some() && after.waiting != before.waiting => Some(Self::Waiting),
            _ => None,
        }
    }
}

/// A message of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its place in the outbox.
    pub id: i64,
    /// The `seq` of the job's newest event then: with the job's id, a name that is never used twice.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened, as [`Told::as_str`].
    pub kind: String,
    /// The job as it was then.
    pub job: JobSummary,
    /// How often it could not be told.
    pub tries: u32,
    /// When it is to be told.
    pub due: Timestamp,
}

/// Whether anything is to be told, and the bell that rings when something is.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) is_on: AtomicBool,
    pub(crate) bell: Notify,
    /// Whether this transaction put something in, and how many messages that crowded out.
    has_more: AtomicBool,
    crowding_out: AtomicU64,
    /// How many were crowded out since somebody asked.
    crowded_out: AtomicU64,
}

impl Outbox {
    /// To be called when a transaction is over.
    pub(crate) fn settle(&self, is_committed: bool) {
        let has_more = self.has_more.swap(false, Ordering::Relaxed);
        let gone = self.crowding_out.swap(0, Ordering::Relaxed);
        if is_committed && has_more {
            self.crowded_out.fetch_add(gone, Ordering::Relaxed);
            self.bell.notify_one();
        }
    }
}

impl Store {
    /// From now on the changes of jobs that somebody waits for are put into the outbox, or not.
    pub fn fill_outbox(&self, is_on: bool) {
        self.writer.outbox().is_on.store(is_on, Ordering::Relaxed);
    }

    /// The message of the outbox whose turn is next, due or not. Those of one job come one after the
    /// other; each stays until it is dropped.
    ///
    /// # Errors
    /// When SQLite fails; [`StoreError::BadMessage`] as long as one that cannot be read is not dropped.
    pub async fn next_message(&self) -> Result<Option<Message>, StoreError> {
        self.readers.run(next).await
    }

    /// Returns when something was put into the outbox since the last time.
    pub async fn new_message(&self) {
        self.writer.outbox().bell.notified().await;
    }

    /// Drops a message: it was told, or will not be.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn drop_message(&self, id: i64) -> Result<(), StoreError> {
        self.writer.submit(Durability::Grouped, move |inner| inner.drop_message(id)).await
    }

    /// Counts that a message could not be told, and says when it is due again.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn put_off(&self, id: i64, due: Timestamp) -> Result<(), StoreError> {
        self.writer.submit(Durability::Grouped, move |inner| inner.put_off(id, due)).await
    }

    /// How many messages went untold since the last time, because too many came after them.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.writer.outbox().crowded_out.swap(0, Ordering::Relaxed)
    }
}

impl Inner {
    /// Puts into the outbox what a change of a job is, if that is to be told.
    pub(crate) fn tell(
        &mut self,
        job: JobId,
        before: &JobState,
        after: &JobState,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let told = Told::of(before, after).filter(|_| self.outbox.is_on.load(Ordering::Relaxed));
        let Some(told) = told else { return Ok(()) };
        let name = job.to_string();
        let summary = row::to_json(&name, &self.summary(job, after)?)?;
        let at = row::micros(after.not_before(at));
        let sql = "INSERT INTO outbox (job, seq, at, kind, summary, due) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?3)";
        let values = params![name, after.last_seq, at, told.as_str(), summary];
        self.execute("keep a message", sql, values)?;
        self.outbox.has_more.store(true, Ordering::Relaxed);
        self.crowd_out()
    }

    /// The message was told, or nobody wants to hear it.
    pub(crate) fn drop_message(&self, id: i64) -> Result<(), StoreError> {
        self.execute("drop a message", "DELETE FROM outbox WHERE id = ?1", params![id])
    }

    /// The message could not be told.
    pub(crate) fn put_off(&self, id: i64, due: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET tries = tries + 1, due = ?2 WHERE id = ?1";
        self.execute("put a message off", sql, params![id, row::micros(due)])
    }

    /// A look at the oldest, whatever waits: to count them for each would take longer than all else.
    fn crowd_out(&self) -> Result<(), StoreError> {
        let last = self.db.last_insert_rowid() - MOST;
        let sql = "DELETE FROM outbox WHERE id <= ?1";
        self.execute("drop old messages", sql, params![last])?;
        self.outbox.crowding_out.fetch_add(self.db.changes(), Ordering::Relaxed);
        Ok(())
    }

    fn summary(&self, job: JobId, state: &JobState) -> Result<JobSummary, StoreError> {
        let failed = StoreError::sqlite("read a title");
        let mut statement =
            self.db.prepare_cached("SELECT title FROM jobs WHERE id = ?1").map_err(&failed)?;
        let title = statement.query_row([job.to_string()], |row| row.get(0)).map_err(&failed)?;
        // As whoever reads the job's row has it.
        let kept = |time: Timestamp| row::from_micros(row::micros(time));
        Ok(JobSummary {
            id: job,
            title,
            status: state.status,
            created: kept(state.created),
            started: state.started.map(kept),
            completed: state.completed.map(kept),
            ending: state.ending.clone(),
            waiting: state.waiting.clone().map(in_short),
        })
    }
}

/// What a job waits for may have a whole program in it.
fn in_short(waiting: Waiting) -> Waiting {
    let Waiting::Approval { step, kind, title, code } = waiting;
    let code = code.map(|mut code| {
        if code.len() > CODE_BYTES {
            code.truncate(code.floor_char_boundary(CODE_BYTES));
            code.push('…');
        }
        code
    });
    Waiting::Approval { step, kind, title, code }
}

/// The message whose turn is next: a job's own come one after the other.
pub(crate) fn next(db: &Connection) -> Result<Option<Message>, StoreError> {
    let failed = StoreError::sqlite("read the outbox");
    let sql = "SELECT id, job, seq, at, kind, summary, tries, due FROM outbox WHERE NOT EXISTS \
               (SELECT 1 FROM outbox AS older WHERE older.job = outbox.job AND older.id < outbox.id) \
               ORDER BY due, id LIMIT 1";
    let mut statement = db.prepare_cached(sql).map_err(&failed)?;
    let found = statement.query_row([], |found| {
        let id = found.get("id")?;
        let job = || found.get("job").unwrap_or_default();
        let bad =
            |why: Box<dyn Error>| StoreError::BadMessage { id, job: job(), why: why.to_string() };
        Ok(message(found).map_err(bad))
    });
    found.optional().map_err(&failed)?.transpose()
}

fn message(found: &Row<'_>) -> Result<Message, Box<dyn Error>> {
    Ok(Message {
        id: found.get("id")?,
        seq: found.get("seq")?,
        at: row::from_micros(found.get("at")?),
        kind: found.get("kind")?,
        job: serde_json::from_str(&found.get::<_, String>("summary")?)?,
        tries: found.get("tries")?,
        due: row::from_micros(found.get("due")?),
    })
}

#[cfg(test)]
mod tests {
    use types::{Ending, JobStatus, StepKind};

    use super::*;

    fn job(status: JobStatus, step: Option<u32>) -> JobState {
        let waiting = step.map(|step| {
            let title = "hi".into();
            Waiting::Approval { step, kind: StepKind::Bash, title, code: Some("é".repeat(9000)) }
        });
        let ending = status.is_final().then(Ending::complete);
        JobState { status, waiting, ending, ..JobState::new(Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn what_people_wait_for_is_told_once() {
        use JobStatus::{Cancelled, Complete, Error, Packaging, Running, Scheduled, Starting};
        for (before, after, told) in [
            (job(Scheduled, None), job(Starting, None), None),
            (job(Starting, None), job(Running, None), Some(Told::Started)),
            (job(Running, None), job(Running, None), None),
            (job(Running, None), job(Running, Some(1)), Some(Told::Waiting)),
            (job(Running, Some(1)), job(Running, Some(1)), None),
            (job(Running, Some(1)), job(Running, Some(2)), Some(Told::Waiting)),
            (job(Running, Some(2)), job(Running, None), None),
            (job(Running, None), job(Packaging, None), None),
            (job(Packaging, None), job(Complete, None), Some(Told::Ended)),
            (job(Packaging, None), job(Error, None), Some(Told::Ended)),
            (job(Packaging, None), job(Cancelled, None), Some(Told::Ended)),
            (job(Complete, None), job(Complete, None), None),
        ] {
            assert_eq!(Told::of(&before, &after), told, "{before:?} {after:?}");
        }
    }

    #[test]
    fn long_code_is_cut() {
        let Waiting::Approval { code, .. } =
            in_short(job(JobStatus::Running, Some(1)).waiting.unwrap());
        let code = code.unwrap();
        assert!(code.ends_with("é…") && code.len() < CODE_BYTES + 4, "{}", code.len());
    }
}
