//! The write-ahead log after the disk failed.
//!
//! A system that could not sync a file says so once and then takes what it did not write for
//! written: the next sync succeeds, and what an earlier change left is not on the disk. So after an
//! error nothing counts as written: the log is written again, byte for byte, before anything follows.
//! The other file needs no such care: a checkpoint that failed is done again from the log.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Whether part of it may not be on the disk though a sync succeeded.
    doubted: Arc<AtomicBool>,
}

impl Wal {
    /// Watches the log, checkpoints and all: SQLite's own ones tell nobody that they failed.
    pub(crate) fn watch(db: &mut Connection) -> rusqlite::Result<Self> {
        // Who had the file before us may have died of such an error.
        let doubted = Arc::new(AtomicBool::new(true));
        let failed = doubted.clone();
        db.wal_hook(Some(move |wal: &mut Hooked, pages| {
            if pages >= CHECKPOINT_PAGES && wal.checkpoint().is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            // The change itself stands.
            Ok(())
        }))?;
        let path = format!("{}-wal", db.path().unwrap_or_default()).into();
        Ok(Self { path, doubted })
    }

    /// Notes what a change failed with, and finds out whether it is for want of room.
    pub(crate) fn judge(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Sqlite { what, source } if is_io(&source) => {
                self.doubted.store(true, Ordering::Relaxed);
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
        if self.doubted.load(Ordering::Relaxed) {
            self.write_again().map_err(|source| StoreError::InDoubt {
                path: self.path.clone(),
                source: Arc::new(source),
            })?;
            self.doubted.store(false, Ordering::Relaxed);
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

fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}
