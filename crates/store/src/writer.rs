//! The one thread that writes, and its transactions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ToSql};
use tokio::sync::{mpsc, oneshot};
use types::JobId;

use crate::StoreError;
use crate::commits::Commits;
use crate::outbox::Outbox;
use crate::row::JobState;
use crate::wal::Wal;

/// Changes that may wait for the writer; more make their senders wait.
const QUEUE: usize = 1024;

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
    pub(crate) fn start(db: Connection, wal: Wal) -> Result<Self, StoreError> {
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
    pub(crate) live: HashMap<JobId, JobState>,
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
        self.outbox.settle(result.is_ok());
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

    /// The file's first page: the one that any change writes.
    pub(crate) fn touch(&mut self) -> Result<(), StoreError> {
        self.wal.ensure_followed()?;
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
}
