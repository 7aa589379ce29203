//! Room on the store's disk that a full disk cannot take: what happens to accepted jobs is recorded in
//! it, and jobs are deleted, however full somebody made the rest.
//!
//! Not here: refusing jobs and ending them before it comes to that ([`crate::room`],
//! [`crate::pressure`]).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use crate::room;

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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Some was given up and not made again.
    short: bool,
    /// Its file system cannot promise room.
    hopeless: bool,
}

impl Ballast {
    /// The one of the store at this path; nothing is made yet.
    pub(crate) fn of(store: &Path) -> Self {
        let path = store.with_file_name("ballast");
        let short = path.metadata().is_ok_and(|found| found.len() < BYTES);
        Self { path, state: Mutex::new(State { short, hopeless: false }) }
    }

    /// Makes it, or makes it whole, if there is plenty of room.
    pub(crate) fn hold(&self) {
        let mut state = self.state();
        if state.hopeless || self.held() >= BYTES || self.free() < PLENTY {
            return;
        }
        match self.allocate() {
            Ok(()) => {
                tracing::info!("holds {BYTES} bytes of the disk for when it is full");
                state.short = false;
            }
            Err(e) => {
                tracing::warn!("cannot hold room at {}: {e}", self.path.display());
                state.hopeless = true;
            }
        }
    }

    /// Gives some up if the disk is full, for who found it so and tries again.
    pub(crate) fn give_way(&self) {
        let mut state = self.state();
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
                state.short = true;
            }
            Err(e) => tracing::error!("cannot give up {}: {e}", self.path.display()),
        }
    }

    /// Whether the store lives on what was held for it: nothing else may be written then.
    pub(crate) fn is_short(&self) -> bool {
        self.state().short
    }

    /// Really: a sparse file would hold nothing.
    fn allocate(&self) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(false).open(&self.path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, BYTES)?)
    }

    fn held(&self) -> u64 {
        self.path.metadata().map_or(0, |found| found.len())
    }

    fn free(&self) -> u64 {
        self.path.parent().map_or(u64::MAX, room::free)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_held_is_really_there_and_stays_while_there_is_room() {
        let home = tempfile::TempDir::new().unwrap();
        let ballast = Ballast::of(&home.path().join("cagent.db"));
        ballast.give_way();
        assert!(!home.path().join("ballast").exists() && !ballast.is_short(), "there is none yet");
        ballast.hold();
        ballast.give_way();
        let file = home.path().join("ballast").metadata().unwrap();
        assert!(file.len() == BYTES && file.blocks() * 512 >= BYTES, "{file:?}");
        assert!(!ballast.is_short());
    }
}
