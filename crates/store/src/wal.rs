//! The write-ahead log after the disk failed.
//!
//! A system that could not sync a file says so once and then takes what it did not write for
//! written: the next sync succeeds, and what an earlier change left is not on the disk. So after a
//! sync that failed nothing counts as written.
//!
//! - **The log** is written again, byte for byte, before anything follows; also when a store is
//!   opened: who had it before may have died of such an error.
//! - **The file** that the log goes into is not written any more until the store is opened anew, and
//!   so the log keeps all of it. Beside a reader a checkpoint copies pages and counts them as copied
//!   without a sync; the sync of a later one may lose them, and would not copy them again, but let the
//!   log be written over. Only when no connection is left is that count forgotten, and the whole log
//!   copied; for that no connection makes a checkpoint when it is closed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi::SQLITE_IOERR_FSYNC;
use rusqlite::hooks::Wal as Hooked;
use rusqlite::{Connection, ErrorCode};

use crate::{StoreError, full};

/// Pages after which the log goes into the file, as SQLite has it.
const CHECKPOINT_PAGES: i32 = 1000;

/// What is read and written again at one time.
const PIECE: usize = 256 * 1024;

/// The log of the one connection that writes.
#[derive(Debug)]
pub(crate) struct Wal {
    path: PathBuf,
    doubts: Arc<Doubts>,
}

/// What may not be on the disk though a sync succeeded.
#[derive(Debug)]
struct Doubts {
    /// Part of the log.
    log: AtomicBool,
    /// Part of the file that the log goes into.
    file: AtomicBool,
}

impl Wal {
    /// Watches the log, checkpoints and all: SQLite's own ones tell nobody that they failed.
    pub(crate) fn watch(db: &mut Connection) -> rusqlite::Result<Self> {
        let doubts = Arc::new(Doubts { log: true.into(), file: false.into() });
        let noted = doubts.clone();
        db.wal_hook(Some(move |wal: &mut Hooked, pages| {
            if pages >= CHECKPOINT_PAGES {
                noted.checkpoint(wal);
            }
            // The change itself stands.
            Ok(())
        }))?;
        let path = format!("{}-wal", db.path().unwrap_or_default()).into();
        Ok(Self { path, doubts })
    }

    /// Notes what a change failed with, and finds out whether it is for want of room.
    pub(crate) fn judge(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Sqlite { what, source } if is_io(&source) => {
                self.doubts.log.store(true, Ordering::Relaxed);
                match full::try_page(&self.path) {
                    Err(e) if full::is_why(&e) => StoreError::Full { what, source: Arc::new(e) },
                    _ => StoreError::Sqlite { what, source },
                }
            }
            error => error,
        }
    }

    /// Has the log on the disk, if that is in doubt.
    ///
    /// # Errors
    /// While the disk fails; it stays in doubt then.
    pub(crate) fn make_sure(&self) -> Result<(), StoreError> {
        if self.doubts.log.load(Ordering::Relaxed) {
            self.write_again().map_err(|source| StoreError::InDoubt {
                path: self.path.clone(),
                source: Arc::new(source),
            })?;
            self.doubts.log.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// # Errors
    /// When the log does not go into the file any more.
    pub(crate) fn ensure_followed(&self) -> Result<(), StoreError> {
        if self.doubts.file.load(Ordering::Relaxed) {
            return Err(StoreError::Behind { log: self.path.clone() });
        }
        Ok(())
    }

    fn write_again(&self) -> io::Result<()> {
        let file = match File::options().read(true).write(true).open(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let (mut at, mut piece) = (0, vec![0; PIECE]);
        loop {
            let read = file.read_at(&mut piece, at)?;
            if read == 0 {
                return file.sync_data();
            }
            file.write_all_at(&piece[..read], at)?;
            at += read as u64;
        }
    }
}

impl Doubts {
    fn checkpoint(&self, wal: &mut Hooked) {
        if self.file.load(Ordering::Relaxed) {
            return;
        }
        if let Err(e) = wal.checkpoint() {
            self.log.store(true, Ordering::Relaxed);
            // It does not say of which of the two; what else fails loses nothing and is done again.
            let unsynced = e.sqlite_extended_error_code() == Some(SQLITE_IOERR_FSYNC);
            self.file.store(unsynced, Ordering::Relaxed);
        }
    }
}

fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}
