//! Room on the store's disk that a full disk cannot take: what happens to accepted jobs is recorded in
//! it, and jobs are deleted, however full somebody made the rest.
//!
//! Not here: refusing jobs and ending them before it comes to that ([`crate::room`],
//! [`crate::pressure`]).

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

use crate::room::{self, NoRoom};

/// What is held: four pieces.
const BYTES: u64 = 4 * PIECE;

/// What is given up at one time: the log of the store until it goes into the file, 1,000 pages of
/// 4 KiB. Not all at once: a neighbour that still writes would have it first.
const PIECE: u64 = 4 * 1024 * 1024;

/// It is made only where as much again stays free.
const PLENTY: u64 = 2 * BYTES;

/// The file.
#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    /// Whether its file system cannot promise room. One at a time makes it or gives it up.
    hopeless: Mutex<bool>,
}

impl Ballast {
    /// The one of the store at this path; nothing is made yet.
    pub(crate) fn of(store: &Path) -> Self {
        Self { path: store.with_file_name("ballast"), hopeless: Mutex::default() }
    }

    /// Makes it, or makes it whole, if there is plenty of room.
    pub(crate) fn hold(&self) {
        let mut hopeless = self.hopeless.lock().unwrap_or_else(PoisonError::into_inner);
        if *hopeless || self.held() >= BYTES || self.free() < PLENTY {
            return;
        }
        match self.allocate() {
            Ok(()) => tracing::info!("holds {BYTES} bytes of the disk for when it is full"),
            Err(e) => {
                tracing::warn!("cannot hold room at {}: {e}", self.path.display());
                if e.kind() == io::ErrorKind::Unsupported {
                    *hopeless = true;
                    drop(fs::remove_file(&self.path));
                }
            }
        }
    }

    /// Gives some up if the disk is full, for who found it so and tries again.
    pub(crate) fn give_way(&self) {
        let _alone = self.hopeless.lock();
        let held = self.held();
        if held == 0 || self.free() >= PIECE {
            return;
        }
        let left = held.saturating_sub(PIECE);
        let shrunk = File::options().write(true).open(&self.path);
        match shrunk.and_then(|file| file.set_len(left)) {
            Ok(()) => {
                tracing::warn!(
                    "the disk is full; of the room held for that, {left} bytes are left"
                );
            }
            Err(e) => tracing::error!("cannot give up {}: {e}", self.path.display()),
        }
    }

    /// # Errors
    /// When the store lives on what was held for it, on the disk where this is: nothing else may be
    /// written there.
    pub(crate) fn check(&self, place: &Path) -> Result<(), NoRoom> {
        let free = self.free();
        let (Ok(file), Ok(place)) = (self.path.metadata(), place.metadata()) else {
            return Ok(());
        };
        let is_short = free < PIECE && size(&file) < BYTES && file.dev() == place.dev();
        if is_short { Err(NoRoom { free, needed: PIECE }) } else { Ok(()) }
    }

    fn allocate(&self) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(false).open(&self.path)?;
        match retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, BYTES)) {
            Ok(()) if self.held() >= BYTES => Ok(()),
            // Some say yes and hold nothing.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(e) => Err(e.into()),
        }
    }

    fn held(&self) -> u64 {
        self.path.metadata().map_or(0, |file| size(&file))
    }

    fn free(&self) -> u64 {
        self.path.parent().map_or(u64::MAX, room::free)
    }
}

/// What is really there: a sparse file, as a copy may be, holds nothing.
fn size(file: &Metadata) -> u64 {
    file.blocks() * 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_really_there_and_stays_while_there_is_room() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("ballast");
        let ballast = Ballast::of(&home.path().join("cagent.db"));
        ballast.give_way();
        assert!(!path.exists(), "there is none yet");
        // As a copy may be.
        File::create(&path).unwrap().set_len(BYTES).unwrap();
        ballast.hold();
        ballast.give_way();
        let file = path.metadata().unwrap();
        assert!(file.len() == BYTES && file.blocks() * 512 >= BYTES, "{file:?}");
        assert_eq!(ballast.check(home.path()), Ok(()));
    }

    /// Whatever was wrong with it, it is nobody's concern while the disk has room.
    #[test]
    fn what_could_not_be_made_blocks_nobody_and_is_made_later() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("ballast");
        fs::create_dir(&path).unwrap();
        let ballast = Ballast::of(&home.path().join("cagent.db"));
        ballast.hold();
        assert_eq!(ballast.check(home.path()), Ok(()));
        fs::remove_dir(&path).unwrap();
        ballast.hold();
        assert!(ballast.held() >= BYTES);
    }
}
