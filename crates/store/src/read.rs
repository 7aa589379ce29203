//! Reads, beside the writer.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use tokio::sync::Semaphore;
use types::{Event, EventKind, JobId, JobRecord, JobStatus, JobSummary, LastStep};

use crate::{StoreError, row, schema};

/// How many read at one time; others wait. Each has a connection of its own: three descriptors and
/// up to 2 MiB of cache.
const READERS: usize = 16;

/// Events are read until they come to so many bytes: one of an agent's step may have a whole file.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The one that is to go on after a job, in the workspace that this keeps, and is not over.
pub(crate) const HEIR: &str =
    "SELECT next.id FROM jobs AS next WHERE next.resumes = jobs.id AND next.completed IS NULL";

/// What [`job`] asks.
static JOB: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT prompt, spec, {} FROM jobs JOIN specs ON job = id WHERE id = ?1", row::STATE)
});

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

/// The connections, which are opened when they are needed and kept to be used again.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        let turns = Arc::new(Semaphore::new(READERS));
        Self { path: path.into(), turns, idle: Mutex::default() }
    }

    /// Runs `read` on a thread that may block.
    pub(crate) async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let this = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            // Ours until the connection is back, even if nobody waits for the answer any more.
            let _turn = turn;
            let connection = this.take()?;
            let answer = read(&connection);
            this.give_back(connection);
            answer
        });
        work.await.map_err(|_| StoreError::Closed)?
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| schema::open_reader(&self.path), Ok)
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

pub(crate) fn job(db: &Connection, id: JobId) -> Result<JobRecord, StoreError> {
    let failed = StoreError::sqlite("read a job");
    let mut statement = db.prepare_cached(&JOB).map_err(&failed)?;
    statement
        .query_row([id.to_string()], |found| Ok(row::record(id, found)))
        .optional()
        .map_err(&failed)?
        .ok_or(StoreError::NotFound(id))?
}

pub(crate) fn jobs(db: &Connection, which: &JobFilter) -> Result<Vec<JobSummary>, StoreError> {
    let (mut terms, mut values) = (vec![], Vec::<Value>::new());
    if let Some(before) = which.before {
        terms.push("id < ?".to_owned());
        values.push(before.to_string().into());
    }
    if !which.statuses.is_empty() {
        terms.push(format!("status IN ({})", vec!["?"; which.statuses.len()].join(", ")));
        values.extend(which.statuses.iter().map(|status| status.as_str().to_owned().into()));
    }
    if let Some(search) = &which.search {
        let literal = literal(search);
        terms.push(r"(title LIKE ? ESCAPE '\' OR id LIKE ? ESCAPE '\')".to_owned());
        values.extend([format!("%{literal}%").into(), format!("{literal}%").into()]);
    }
    let terms = if terms.is_empty() { "1".into() } else { terms.join(" AND ") };
    // SQLite takes -1 for no limit.
    values.push(which.limit.map_or(-1, i64::from).into());
    summaries(db, &format!("{terms} ORDER BY id DESC LIMIT ?"), values)
}

/// As `LIKE` takes it for nothing but itself.
fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

pub(crate) fn these(db: &Connection, of: &[JobId]) -> Result<Vec<JobSummary>, StoreError> {
    let ids = row::to_json("(any)", &of)?;
    summaries(db, "id IN (SELECT value FROM json_each(?)) ORDER BY id", vec![ids.into()])
}

pub(crate) fn unfinished(db: &Connection) -> Result<Vec<JobSummary>, StoreError> {
    summaries(db, "completed IS NULL ORDER BY id", vec![])
}

fn summaries(
    db: &Connection,
    which: &str,
    values: Vec<Value>,
) -> Result<Vec<JobSummary>, StoreError> {
    let failed = StoreError::sqlite("list the jobs");
    let sql = format!("SELECT {} FROM jobs WHERE {which}", row::SUMMARY);
    let mut statement = db.prepare_cached(&sql).map_err(&failed)?;
    let rows = statement
        .query_map(params_from_iter(values), |found| Ok(row::summary(found)))
        .map_err(&failed)?;
    rows.map(|found| found.map_err(&failed)?).collect()
}

pub(crate) fn finished_outside(
    db: &Connection,
    times: &Range<Timestamp>,
) -> Result<Vec<JobId>, StoreError> {
    let failed = StoreError::sqlite("look for old jobs");
    let sql = format!(
        "SELECT id FROM jobs WHERE (completed < ?1 OR completed >= ?2) \
         AND NOT (kept AND EXISTS ({HEIR})) ORDER BY completed"
    );
    let mut statement = db.prepare_cached(&sql).map_err(&failed)?;
    let times = [row::micros(times.start), row::micros(times.end)];
    let rows = statement.query_map(times, |found| found.get::<_, String>(0)).map_err(&failed)?;
    rows.map(|found| row::id(&found.map_err(&failed)?)).collect()
}

pub(crate) fn results(db: &Connection) -> Result<Vec<(JobId, u64)>, StoreError> {
    let failed = StoreError::sqlite("add up the results");
    let sql = format!(
        "SELECT id, coalesce(zip_bytes, 0) + stdout_bytes + stderr_bytes FROM jobs \
         WHERE completed IS NOT NULL AND NOT (kept AND EXISTS ({HEIR})) ORDER BY completed, id"
    );
    let mut statement = db.prepare_cached(&sql).map_err(&failed)?;
    let rows = statement
        .query_map([], |found| Ok((found.get::<_, String>(0)?, found.get(1)?)))
        .map_err(&failed)?;
    rows.map(|found| {
        let (id, bytes) = found.map_err(&failed)?;
        Ok((row::id(&id)?, bytes))
    })
    .collect()
}

pub(crate) fn events(
    db: &Connection,
    job: JobId,
    after: u64,
    most: u32,
) -> Result<Vec<Event>, StoreError> {
    let sql = "SELECT seq, at, event FROM events WHERE job = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    some_events(db, sql, job, after, most.into(), PAGE_BYTES)
}

/// The newest end of a step.
pub(crate) fn last_step(db: &Connection, job: JobId) -> Result<Option<LastStep>, StoreError> {
    let failed = StoreError::sqlite("look for a step");
    let job = job.to_string();
    let sql = "SELECT event FROM events WHERE job = ?1 \
               AND event GLOB '{\"type\":\"step_finished\",*' ORDER BY seq DESC LIMIT 1";
    let mut statement = db.prepare_cached(sql).map_err(&failed)?;
    let found = statement.query_row([&job], |row| row.get::<_, String>(0)).optional();
    let Some(text) = found.map_err(&failed)? else { return Ok(None) };
    Ok(match serde_json::from_str(&text).map_err(row::damaged(&job, "an event"))? {
        EventKind::StepFinished { step, outcome, exit_code, .. } => {
            Some(LastStep { step, outcome, exit_code })
        }
        _ => None,
    })
}

pub(crate) fn oldest_kept(db: &Connection) -> Result<Option<JobId>, StoreError> {
    let failed = StoreError::sqlite("look for a kept workspace");
    let sql = format!(
        "SELECT id FROM jobs WHERE kept AND NOT EXISTS ({HEIR}) ORDER BY completed LIMIT 1"
    );
    let mut statement = db.prepare_cached(&sql).map_err(&failed)?;
    let found = statement.query_row([], |row| row.get::<_, String>(0)).optional();
    found.map_err(&failed)?.map(|id| row::id(&id)).transpose()
}

/// What was said and decided, and who had the desktop.
pub(crate) fn conversation(
    db: &Connection,
    job: JobId,
    after: u64,
) -> Result<Vec<Event>, StoreError> {
    // A type stands first in its event; SQLite takes -1 for no limit.
    let sql = "SELECT seq, at, event FROM events WHERE job = ?1 AND seq > ?2 \
               AND (event GLOB '{\"type\":\"said\",*' OR event GLOB '{\"type\":\"decided\",*' \
                    OR event GLOB '{\"type\":\"desktop\",*') \
               ORDER BY seq LIMIT ?3";
    some_events(db, sql, job, after, -1, usize::MAX)
}

fn some_events(
    db: &Connection,
    sql: &str,
    job: JobId,
    after: u64,
    most: i64,
    bytes: usize,
) -> Result<Vec<Event>, StoreError> {
    let failed = StoreError::sqlite("read events");
    let job = job.to_string();
    let mut statement = db.prepare_cached(sql).map_err(&failed)?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![job, after, most], |found| {
            Ok((found.get::<_, u64>(0)?, found.get::<_, i64>(1)?, found.get::<_, String>(2)?))
        })
        .map_err(&failed)?;
    let (mut events, mut left) = (vec![], bytes);
    for found in rows {
        let (seq, at, text) = found.map_err(&failed)?;
        let event = serde_json::from_str(&text).map_err(row::damaged(&job, "an event"))?;
        events.push(Event { seq, at: row::from_micros(at), event });
        left = left.saturating_sub(text.len());
        if left == 0 {
            break;
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus::{RePrepare, Run};

    use super::*;

    /// Status is what is asked for most; to plan it takes longer than to read it.
    #[test]
    fn a_read_of_a_job_is_planned_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cagent.db");
        let _writer = schema::open(&path).unwrap();
        let db = schema::open_reader(&path).unwrap();
        for _ in 0..3 {
            assert!(matches!(job(&db, JobId::generate()), Err(StoreError::NotFound(_))));
        }
        let statement = db.prepare_cached(&JOB).unwrap();
        assert_eq!((statement.get_status(Run), statement.get_status(RePrepare)), (3, 0));
    }
}
