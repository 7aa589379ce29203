//! A change of a job: what whoever makes it sees of the job, and how it gets into the file.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use types::{EventKind, JobId};

use crate::StoreError;
use crate::row::{self, JobState, Spend};
use crate::writer::Inner;

/// Events of a forgotten job that go in one change: some milliseconds of work.
const DELETED_AT_ONCE: u32 = 5_000;

/// Pages of 4 KiB that a forgotten job gives back to the disk at most.
const FREED_AT_ONCE: u32 = 4_000;

/// A job's state while it is being changed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The state, to be changed at will.
    pub state: JobState,
    /// When it is changed: the system's time, unless whoever changes it has a clock of their own.
    pub now: Timestamp,
    events: Vec<(Timestamp, EventKind)>,
}

impl Draft {
    /// A draft of this state, without events.
    #[must_use]
    pub fn new(state: JobState) -> Self {
        Self { state, now: Timestamp::now(), events: Vec::new() }
    }

    /// What was appended.
    #[must_use]
    pub fn events(&self) -> &[(Timestamp, EventKind)] {
        &self.events
    }

    /// Appends an event to the job's log, at a time that is not before the job.
    pub fn append(&mut self, at: Timestamp, event: EventKind) {
        self.events.push((self.state.not_before(at), event));
    }
}

impl Inner {
    pub(crate) fn update<R>(
        &mut self,
        job: JobId,
        change: impl FnOnce(&mut Draft) -> R,
    ) -> Result<R, StoreError> {
        let before = self.state(job)?;
        let mut draft = Draft::new(before.clone());
        let answer = change(&mut draft);
        draft.state.last_seq = before.last_seq;
        self.append(job, &mut draft)?;
        if draft.state != before {
            self.save(job, &draft.state)?;
            self.tell(job, &before, &draft.state, draft.now)?;
        }
        if draft.state.status.is_final() {
            self.live.remove(&job);
        } else {
            self.live.insert(job, draft.state);
        }
        Ok(answer)
    }

    fn state(&mut self, job: JobId) -> Result<JobState, StoreError> {
        if let Some(state) = self.live.get(&job) {
            return Ok(state.clone());
        }
        let failed = StoreError::sqlite("read a job");
        let name = job.to_string();
        let sql = format!("SELECT {} FROM jobs WHERE id = ?1", row::STATE);
        let mut statement = self.db.prepare_cached(&sql).map_err(&failed)?;
        statement
            .query_row([&name], |found| Ok(row::state(&name, found)))
            .optional()
            .map_err(&failed)?
            .ok_or(StoreError::NotFound(job))?
    }

    fn append(&self, job: JobId, draft: &mut Draft) -> Result<(), StoreError> {
        let failed = StoreError::sqlite("append an event");
        let name = job.to_string();
        let sql = "INSERT INTO events (job, seq, at, event) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = self.db.prepare_cached(sql).map_err(&failed)?;
        for (at, event) in draft.events.drain(..) {
            draft.state.last_seq += 1;
            let event = row::to_json(&name, &event)?;
            let values = params![name, draft.state.last_seq, row::micros(at), event];
            statement.execute(values).map_err(&failed)?;
        }
        Ok(())
    }

    fn save(&self, job: JobId, state: &JobState) -> Result<(), StoreError> {
        let failed = StoreError::sqlite("change a job");
        let name = job.to_string();
        let session = &state.session;
        self.db
            .prepare_cached(
                "UPDATE jobs SET status = ?2, started = ?3, completed = ?4, ending = ?5, \
                 cancel_requested = ?6, sandbox = ?7, usage = ?8, zip_bytes = ?9, last_seq = ?10, \
                 key_hash = ?11, key_used = ?12, acked = ?13, checkpoint = ?14, \
                 open_step = ?15, stdout_bytes = ?16, stderr_bytes = ?17, sent_bytes = ?18, \
                 received_bytes = ?19, verdict = ?20, result = ?21, waiting = ?22, spend = ?23, kept = ?24 \
                 WHERE id = ?1",
            )
            .map_err(&failed)?
            .execute(params![
                name,
                state.status.as_str(),
                state.started.map(row::micros),
                state.completed.map(row::micros),
                row::optional_json(&name, state.ending.as_ref())?,
                state.cancel_requested,
                row::optional_json(&name, state.sandbox.as_ref())?,
                row::optional_json(&name, state.usage.as_ref())?,
                state.zip_bytes,
                state.last_seq,
                session.key_hash,
                session.key_used,
                session.acked,
                row::optional_json(&name, session.checkpoint.as_ref())?,
                session.open_step,
                session.stdout_bytes,
                session.stderr_bytes,
                session.sent_bytes,
                session.received_bytes,
                row::optional_json(&name, session.verdict.as_ref())?,
                row::optional_json(&name, state.result.as_ref())?,
                row::optional_json(&name, state.waiting.as_ref())?,
                spent(&name, session.spend)?,
                state.kept,
            ])
            .map_err(&failed)?;
        Ok(())
    }

    /// Whether there were any; at most [`DELETED_AT_ONCE`] go.
    pub(crate) fn delete_events(&mut self, job: JobId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM events WHERE job = ?1 AND seq < ?2 + \
                   (SELECT min(seq) FROM events WHERE job = ?1)";
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![job.to_string(), DELETED_AT_ONCE]))
            .map(|deleted| deleted > 0)
            .map_err(StoreError::sqlite("forget events"))
    }

    pub(crate) fn delete(&mut self, job: JobId) -> Result<(), StoreError> {
        self.live.remove(&job);
        self.execute("forget a job", "DELETE FROM jobs WHERE id = ?1", params![job.to_string()])?;
        // What a long log took goes back to the disk, some of it each time.
        self.db
            .pragma(None, "incremental_vacuum", FREED_AT_ONCE, |_| Ok(()))
            .map_err(StoreError::sqlite("shrink the file"))
    }
}

/// Most jobs call no model; their rows stay short.
fn spent(job: &str, spend: Spend) -> Result<Option<String>, StoreError> {
    row::optional_json(job, (spend != Spend::default()).then_some(&spend))
}
