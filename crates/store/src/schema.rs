//! Opening the file and its migrations.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::wal::Wal;
use crate::{StoreError, backup};

/// Every schema ever released, oldest first; never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_jobs.sql"),
    include_str!("../migrations/0002_lists_and_keys.sql"),
    include_str!("../migrations/0003_agents.sql"),
    include_str!("../migrations/0004_keys.sql"),
    include_str!("../migrations/0005_resume.sql"),
    include_str!("../migrations/0006_outbox.sql"),
];

/// How long a connection waits for another one's lock, in milliseconds. Only reached when somebody
/// opens the file by hand.
const BUSY_MS: u32 = 5_000;

/// What is left of the write-ahead log after a burst, in bytes.
const JOURNAL_BYTES: u32 = 16 * 1024 * 1024;

/// A connection that may write, and its log; the file is made and migrated if need be. What is in the
/// log is on the disk before anything is changed.
pub(crate) fn open(path: &Path) -> Result<(Connection, Wal), StoreError> {
    let failed = StoreError::sqlite("open the store");
    make_private(path)?;
    refuse_newer(path)?;
    let mut connection = Connection::open(path).map_err(&failed)?;
    set_up(&connection).map_err(&failed)?;
    let wal = Wal::watch(&mut connection).map_err(&failed)?;
    wal.make_sure()?;
    // Only has an effect on a new file. What is deleted goes back to the disk, in pieces.
    connection.pragma_update(None, "auto_vacuum", "incremental").map_err(&failed)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(&failed)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES).map_err(&failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(&failed)?;
    migrate(&mut connection, path)?;
    Ok((connection, wal))
}

/// Prompts and environments may hold secrets. SQLite gives the files beside this one its mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    };
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        made => return made.map(drop).map_err(unusable(path)),
    }
    [path.to_owned(), beside("-wal"), beside("-shm")].iter().try_for_each(|path| {
        match tighten(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            tightened => tightened.map_err(unusable(path)),
        }
    })
}

fn tighten(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(path, Permissions::from_mode(0o600)),
    }
}

pub(crate) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::NotPrivate { path, source: Arc::new(source) }
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let failed = StoreError::sqlite("open the store for reading");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    set_up(&connection).map_err(&failed)?;
    connection.pragma_update(None, "query_only", true).map_err(&failed)?;
    Ok(connection)
}

/// What every connection has.
pub(crate) fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "busy_timeout", BUSY_MS)?;
    // The writer's is the one that does; see `wal`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A plan that may depend on a bound value is made anew for each; that takes longer than most reads.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Refuses a store that a newer version wrote, which is not touched by the look at it.
pub(crate) fn refuse_newer(path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u32;
    match version(&backup::read_only(path)?)? {
        found if found > known => Err(StoreError::TooNew { path: path.into(), found, known }),
        _ => Ok(()),
    }
}

fn version(db: &Connection) -> Result<u32, StoreError> {
    let found = db.pragma_query_value(None, "user_version", |row| row.get(0));
    found.map_err(StoreError::sqlite("ask for the store's schema"))
}

/// All or nothing: a store is of a schema that was released.
fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let (found, known) = (version(db)?, MIGRATIONS.len() as u32);
    if found == known {
        return Ok(());
    }
    let fresh = found == 0;
    let copy = if fresh { None } else { Some(backup::before_schema(db, path, known)?) };
    apply(db, found).map_err(|source| StoreError::NotMigrated {
        path: path.into(),
        found,
        known,
        copy: copy.unwrap_or_else(|| path.into()),
        source: Arc::new(source),
    })
}

fn apply(db: &mut Connection, found: u32) -> rusqlite::Result<()> {
    let all = db.transaction()?;
    for sql in &MIGRATIONS[found as usize..] {
        all.execute_batch(sql)?;
    }
    all.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    all.commit()
}
