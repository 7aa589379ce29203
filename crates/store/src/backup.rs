//! Copies of the store: of one that is in use, and of one that is about to be migrated.
//!
//! A copy is made by `VACUUM INTO`, within one read transaction: it is the store of one moment, one
//! file without a log beside it, and nobody who writes waits for it. What is asked of it here must
//! hold for every schema ever released, since who makes a copy may be newer than who writes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use types::{JobId, JobStatus};

use crate::{StoreError, row, schema};

/// So many copies are kept beside a store that was migrated.
const KEPT: usize = 2;

/// A copy of a store, which may be put in order before somebody uses it.
#[derive(Debug)]
pub struct Copy {
    from: Connection,
    copy: Connection,
}

/// A job in a copy, as far as its files are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedJob {
    /// Which.
    pub id: JobId,
    /// Where it was in its life.
    pub status: JobStatus,
    /// The size of its ZIP, if it has one.
    pub zip_bytes: Option<u64>,
    /// How much of its stdout log was recorded.
    pub stdout_bytes: u64,
    /// How much of its stderr log was recorded.
    pub stderr_bytes: u64,
}

impl Copy {
    /// Copies a store, also one that another process writes, to a file that is not there.
    ///
    /// # Errors
    /// When SQLite cannot, or the file is there.
    pub fn make(store: &Path, to: &Path) -> Result<Self, StoreError> {
        let failed = StoreError::sqlite("copy the store");
        let from = read_only(store)?;
        snapshot(&from, to)?;
        let copy = Connection::open(to).map_err(&failed)?;
        copy.pragma_update(None, "foreign_keys", true).map_err(&failed)?;
        // Workspaces are not copied, so none waits for anybody.
        let kept = "SELECT count(*) FROM pragma_table_info('jobs') WHERE name = 'kept'";
        if copy.query_row(kept, [], |row| row.get::<_, bool>(0)).map_err(&failed)? {
            copy.execute("UPDATE jobs SET kept = 0 WHERE kept", []).map_err(&failed)?;
        }
        Ok(Self { from, copy })
    }

    /// Its jobs, oldest first.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn jobs(&self) -> Result<Vec<CopiedJob>, StoreError> {
        jobs(&self.copy)
    }

    /// Whether a job is still where it was when the copy was made.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn is_still(&self, job: &CopiedJob) -> Result<bool, StoreError> {
        let sql = "SELECT status FROM jobs WHERE id = ?1";
        let now = self.from.query_row(sql, [job.id.to_string()], |row| row.get::<_, String>(0));
        let now = now.optional().map_err(StoreError::sqlite("look at a job again"))?;
        Ok(now.as_deref() == Some(job.status.as_str()))
    }

    /// Has a job be one that ran: its sandbox is not in the copy, so it ends as interrupted.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn interrupt(&self, job: JobId) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET status = ?2, started = coalesce(started, created) WHERE id = ?1";
        self.change(sql, params![job.to_string(), JobStatus::Running.as_str()])
    }

    /// Takes a job out, with its events.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn forget(&self, job: JobId) -> Result<(), StoreError> {
        self.change("DELETE FROM jobs WHERE id = ?1", params![job.to_string()])
    }

    fn change(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), StoreError> {
        let changed = self.copy.execute(sql, values);
        changed.map(drop).map_err(StoreError::sqlite("put the copy of the store in order"))
    }
}

/// Looks through a store that nobody uses, and lists its jobs.
///
/// # Errors
/// When it is damaged, not a store, or of a newer version.
pub fn check(path: &Path) -> Result<Vec<CopiedJob>, StoreError> {
    schema::refuse_newer(path)?;
    let db = read_only(path)?;
    let failed = StoreError::sqlite("check the store");
    let mut statement = db.prepare("PRAGMA integrity_check(1)").map_err(&failed)?;
    let found: String = statement.query_row([], |row| row.get(0)).map_err(&failed)?;
    if found != "ok" {
        return Err(StoreError::Broken { path: path.into(), found });
    }
    jobs(&db)
}

/// Copies a store that is about to get this schema, beside it; only the last copies are kept.
pub(crate) fn before_schema(
    db: &Connection,
    store: &Path,
    schema: u32,
) -> Result<PathBuf, StoreError> {
    has_room(db, store)?;
    let copy = beside(store, &format!(".before-schema-{schema}"));
    let unfinished = beside(&copy, ".tmp");
    drop(fs::remove_file(&unfinished));
    snapshot(db, &unfinished)?;
    fs::rename(&unfinished, &copy).map_err(schema::unusable(&copy))?;
    remove_all_but_last(store).map_err(schema::unusable(store))?;
    Ok(copy)
}

/// The store, or a copy of it, that is not changed by who looks at it.
pub(crate) fn read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open the store"));
    let db = db?;
    schema::set_up(&db).map_err(StoreError::sqlite("open the store"))?;
    Ok(db)
}

/// On the disk, and for nobody else, when this returns.
fn snapshot(db: &Connection, to: &Path) -> Result<(), StoreError> {
    let unusable = || schema::unusable(to);
    let name = to.to_str().ok_or_else(|| io::Error::other("its name is not UTF-8"));
    let name = name.map_err(unusable())?;
    // SQLite takes a file that is there if it is empty.
    let file = File::options().write(true).create_new(true).mode(0o600).open(to);
    let file = file.map_err(unusable())?;
    let copied = db.execute("VACUUM INTO ?1", [name]).map_err(StoreError::sqlite("copy the store"));
    let synced = copied.and_then(|_| file.sync_all().map_err(unusable()));
    if synced.is_err() {
        drop(fs::remove_file(to));
    }
    synced
}

fn jobs(db: &Connection) -> Result<Vec<CopiedJob>, StoreError> {
    let failed = StoreError::sqlite("list the jobs of the copy");
    let sql = "SELECT id, status, zip_bytes, stdout_bytes, stderr_bytes FROM jobs ORDER BY id";
    let mut statement = db.prepare(sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut jobs = vec![];
    while let Some(found) = rows.next().map_err(&failed)? {
        let text = |column: usize| found.get::<_, String>(column).map_err(&failed);
        let number = |column: usize| found.get::<_, u64>(column).map_err(&failed);
        let name = text(0)?;
        jobs.push(CopiedJob {
            id: row::id(&name)?,
            status: row::word(&name, "status", &text(1)?)?,
            zip_bytes: found.get(2).map_err(&failed)?,
            stdout_bytes: number(3)?,
            stderr_bytes: number(4)?,
        });
    }
    Ok(jobs)
}

/// For the copy, and as much again for the migration itself.
fn has_room(db: &Connection, store: &Path) -> Result<(), StoreError> {
    let pragma = |name| {
        let value = db.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        value.map_err(StoreError::sqlite("ask for the store's size"))
    };
    let needed = 2 * pragma("page_count")? * pragma("page_size")?;
    let dir = store.parent().filter(|dir| !dir.as_os_str().is_empty());
    let disk = rustix::fs::statvfs(dir.unwrap_or(Path::new(".")));
    let disk = disk.map_err(|e| schema::unusable(store)(e.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(StoreError::NoRoomToMigrate { path: store.into(), needed, free });
    }
    Ok(())
}

fn remove_all_but_last(store: &Path) -> io::Result<()> {
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let start = format!("{name}.before-schema-");
    let dir = store.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut copies: Vec<(u32, PathBuf)> = fs::read_dir(dir)?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            Some((name.to_str()?.strip_prefix(&start)?.parse().ok()?, entry.path()))
        })
        .collect();
    copies.sort();
    let old = copies.len().saturating_sub(KEPT);
    copies.drain(..old).try_for_each(|(_, path)| fs::remove_file(path))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
