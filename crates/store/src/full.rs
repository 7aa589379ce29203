//! Whether the disk is full. SQLite knows only of the one way to say so, ENOSPC, and not where its
//! index of the log is to grow.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Error, ErrorCode};
use rustix::fs::{Mode, OFlags};

/// A page, as SQLite has them.
const PAGE: [u8; 4096] = [0; 4096];

/// Whether SQLite says so.
pub(crate) fn is_said(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|failed| {
        failed.code == ErrorCode::DiskFull || failed.extended_code == SQLITE_IOERR_SHMSIZE
    })
}

/// Whether the system says so.
pub(crate) fn is_why(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Writes a page to a file beside this one that has no name, and goes with it.
pub(crate) fn try_page(beside: &Path) -> io::Result<()> {
    let directory = beside.parent().unwrap_or(Path::new("."));
    let nameless = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, nameless, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all_at(&PAGE, 0)
}
