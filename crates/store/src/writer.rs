//! The one thread that writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use tokio::sync::{mpsc, oneshot};
use types::{EventKind, JobId};

use crate::commits::Commits;
use crate::outbox::Outbox;
use crate::row::{self, JobState, Spend};
use crate::wal::Wal;
use crate::{GivenUp, Inserted, KeptKey, NewJob, StoreError};

/// Changes that may wait for the writer; more make their senders wait.
const QUEUE: usize = 1024;

/// Events of a forgotten job that go in one change: some milliseconds of work.
const DELETED_AT_ONCE: u32 = 5_000;

/// Pages of 4 KiB that a forgotten job gives back to the disk at most.
const FREED_AT_ONCE: u32 = 4_000;

/// Changes in one transaction; bounds how long a full sync is put off.
const BATCH: usize = 256;

/// How sure a change must be before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: survives a power cut.
    Full,
    /// With the system: survives the death of this process; on the disk with the next full one.
    Grouped,
}

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

/// The sending end.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    tasks: mpsc::Sender<Task>,
    commits: Commits,
    outbox: Arc<Outbox>,
}

/// Runs inside the transaction, or learns why there is none; what it returns is called once the
/// transaction's fate is known.
type Run = Box<dyn FnOnce(Result<&mut Inner, StoreError>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Task {
    durability: Durability,
    run: Run,
}

impl Writer {
    /// Starts the thread; it ends when the last sender is gone.
    pub(crate) fn start(mut db: Connection) -> Result<Self, StoreError> {
        let wal = Wal::watch(&mut db).map_err(StoreError::sqlite("watch the store's log"))?;
        let (tasks, queue) = mpsc::channel(QUEUE);
        let commits = Commits::default();
        let outbox = Arc::<Outbox>::default();
        let inner = Inner {
            db,
            wal,
            commits: commits.clone(),
            outbox: outbox.clone(),
            live: HashMap::new(),
            synced: None,
            rolled_back: None,
        };
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || inner.work(queue))
            .map_err(|_| StoreError::Closed)?;
        Ok(Self { tasks, commits, outbox })
    }

    pub(crate) async fn insert(&self, new: NewJob) -> Result<Inserted, StoreError> {
        self.submit(Durability::Full, move |inner| inner.insert(new)).await
    }

    pub(crate) async fn update<R: Send + 'static>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        self.submit(durability, move |inner| inner.update(job, change)).await
    }

    pub(crate) async fn give_up(&self, job: JobId) -> Result<GivenUp, StoreError> {
        self.submit(Durability::Full, move |inner| inner.give_up(job)).await
    }

    /// Whether there were any; at most [`DELETED_AT_ONCE`] go.
    pub(crate) async fn delete_events(&self, job: JobId) -> Result<bool, StoreError> {
        self.submit(Durability::Grouped, move |inner| inner.delete_events(job)).await
    }

    pub(crate) async fn delete(&self, job: JobId) -> Result<(), StoreError> {
        self.submit(Durability::Grouped, move |inner| inner.delete(job)).await
    }

    pub(crate) async fn save_key(&self, key: KeptKey) -> Result<(), StoreError> {
        self.submit(Durability::Full, move |inner| inner.save_key(&key)).await
    }

    pub(crate) async fn touch(&self) -> Result<(), StoreError> {
        self.submit(Durability::Full, |inner| inner.touch()).await
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn commits(&self) -> &Commits {
        &self.commits
    }

    pub(crate) async fn submit<R: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Inner) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (answer, answered) = oneshot::channel();
        let run: Run = Box::new(move |inner| {
            let result = inner.and_then(|inner| inner.make(work));
            // The caller may have gone; the change stands all the same.
            Box::new(move |commit| drop(answer.send(commit.and(result))))
        });
        self.tasks.send(Task { durability, run }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

pub(crate) struct Inner {
    pub(crate) db: Connection,
    wal: Wal,
    commits: Commits,
    pub(crate) outbox: Arc<Outbox>,
    /// The state of jobs that have not ended. True to the file because nobody else writes; dropped
    /// whole when anything fails.
    live: HashMap<JobId, JobState>,
    /// What the next commit waits for; none until it was set.
    synced: Option<Durability>,
    /// Why SQLite gave up the transaction, and all changes in it, by itself.
    rolled_back: Option<StoreError>,
}

impl Inner {
    fn work(mut self, mut queue: mpsc::Receiver<Task>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            self.transact(std::mem::take(&mut batch));
        }
    }

    fn transact(&mut self, batch: Vec<Task>) {
        let start = Instant::now();
        let full = batch.iter().any(|task| task.durability == Durability::Full);
        let begun = self.begin(if full { Durability::Full } else { Durability::Grouped });
        let replies: Vec<Reply> =
            batch.into_iter().map(|task| (task.run)(begun.clone().map(|()| &mut *self))).collect();
        let result = begun.and_then(|()| self.commit());
        self.commits.note(start, &result);
        self.outbox.ring();
        for reply in replies {
            reply(result.clone());
        }
    }

    fn begin(&mut self, durability: Durability) -> Result<(), StoreError> {
        let failed = StoreError::sqlite("begin a transaction");
        self.wal.make_sure()?;
        // Cannot be changed inside a transaction.
        if self.synced != Some(durability) {
            let level = match durability {
                Durability::Full => "full",
                Durability::Grouped => "normal",
            };
            self.db.pragma_update(None, "synchronous", level).map_err(&failed)?;
            self.synced = Some(durability);
        }
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(&failed)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if let Some(why) = self.rolled_back.take() {
            return Err(why);
        }
        let committed = self.db.execute_batch("COMMIT").map_err(StoreError::sqlite("commit"));
        committed.map_err(|e| {
            self.live.clear();
            // Where SQLite has not rolled back by itself.
            drop(self.db.execute_batch("ROLLBACK"));
            self.wal.judge(e)
        })
    }

    /// Makes one of the changes of a transaction. A full disk or an I/O error makes SQLite roll back all
    /// of it by itself: what came after would be committed alone, and be told that it was not.
    fn make<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        if let Some(why) = &self.rolled_back {
            return Err(why.clone());
        }
        self.within_savepoint(work).map_err(|e| {
            self.live.clear();
            let why = self.wal.judge(e);
            self.rolled_back = self.db.is_autocommit().then(|| why.clone());
            why
        })
    }

    /// One failed change must not take the others of its batch with it.
    fn within_savepoint<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let failed = StoreError::sqlite("set a savepoint");
        self.db.execute_batch("SAVEPOINT change").map_err(&failed)?;
        let result = work(self);
        if result.is_err() && !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK TO change; RELEASE change").map_err(&failed)?;
        }
        if result.is_ok() {
            self.db.execute_batch("RELEASE change").map_err(&failed)?;
        }
        result
    }

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

    /// The file's first page: the one that any change writes.
    fn touch(&mut self) -> Result<(), StoreError> {
        let failed = StoreError::sqlite("write to the store");
        let version: u32 =
            self.db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
        self.db.pragma_update(None, "user_version", version).map_err(&failed)
    }

    pub(crate) fn execute(
        &self,
        what: &'static str,
        sql: &str,
        values: &[&dyn ToSql],
    ) -> Result<(), StoreError> {
        let mut statement = self.db.prepare_cached(sql).map_err(StoreError::sqlite(what))?;
        statement.execute(values).map(drop).map_err(StoreError::sqlite(what))
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

    fn delete_events(&mut self, job: JobId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM events WHERE job = ?1 AND seq < ?2 + \
                   (SELECT min(seq) FROM events WHERE job = ?1)";
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![job.to_string(), DELETED_AT_ONCE]))
            .map(|deleted| deleted > 0)
            .map_err(StoreError::sqlite("forget events"))
    }

    fn delete(&mut self, job: JobId) -> Result<(), StoreError> {
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
