//! Opening the file and its migrations.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// Every schema ever released, oldest first; never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_jobs.sql"),
    include_str!("../migrations/0002_lists_and_keys.sql"),
];

/// How long a connection waits for another one's lock, in milliseconds. Only reached when somebody
/// opens the file by hand.
const BUSY_MS: u32 = 5_000;

/// What is left of the write-ahead log after a burst, in bytes.
const JOURNAL_BYTES: u32 = 16 * 1024 * 1024;

/// A connection that may write; the file is made and migrated if need be.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = StoreError::sqlite("open the store");
    let mut connection = Connection::open(path).map_err(&failed)?;
    connection.pragma_update(None, "busy_timeout", BUSY_MS).map_err(&failed)?;
    // Only has an effect on a new file. What is deleted goes back to the disk, in pieces.
    connection.pragma_update(None, "auto_vacuum", "incremental").map_err(&failed)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(&failed)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES).map_err(&failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(&failed)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let failed = StoreError::sqlite("open the store for reading");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.pragma_update(None, "busy_timeout", BUSY_MS).map_err(&failed)?;
    connection.pragma_update(None, "query_only", true).map_err(&failed)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = StoreError::sqlite("bring the store's schema up to date");
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    let known = MIGRATIONS.len() as u32;
    if found > known {
        return Err(StoreError::TooNew { path: path.into(), found, known });
    }
    for (version, sql) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        let step = connection.transaction().map_err(&failed)?;
        step.execute_batch(sql).map_err(&failed)?;
        step.pragma_update(None, "user_version", version).map_err(&failed)?;
        step.commit().map_err(&failed)?;
    }
    Ok(())
}
