//! Whether the disk has room for more work. A disk that is really full stops all jobs at once, so
//! new ones are refused some time before.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a measurement counts.
const FRESH: Duration = Duration::from_secs(1);

/// Watches the file systems of some directories.
#[derive(Debug)]
pub(crate) struct Room {
    directories: Vec<PathBuf>,
    reserve: u64,
    measured: Mutex<Option<(Instant, u64)>>,
    /// Bytes that are being written and are not all there yet.
    set_aside: Mutex<u64>,
}

/// Room for what is being written; somebody else's once this is dropped.
#[derive(Debug)]
pub(crate) struct SetAside {
    room: Arc<Room>,
    bytes: u64,
}

/// There is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's disk is full: {free} bytes are free, and {needed} are kept in reserve")]
pub struct NoRoom {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes below which nothing is taken.
    pub needed: u64,
}

impl Room {
    /// Nothing is taken while one of these has less than `reserve` bytes.
    pub(crate) fn new(directories: Vec<PathBuf>, reserve: u64) -> Self {
        let (measured, set_aside) = Default::default();
        Self { directories, reserve, measured, set_aside }
    }

    /// # Errors
    /// When there is too little.
    pub(crate) fn check(&self) -> Result<(), NoRoom> {
        self.take(0)
    }

    /// Notes that so many bytes are going to be written: a fast client writes gigabytes while a
    /// measurement counts.
    ///
    /// # Errors
    /// When too little would be left.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), NoRoom> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, free) = match *measured {
            Some((at, free)) if at.elapsed() < FRESH => (at, free),
            _ => (Instant::now(), self.free()),
        };
        let left = free.checked_sub(bytes).filter(|left| *left >= self.reserve);
        *measured = Some((at, left.unwrap_or(free)));
        left.map(drop).ok_or(NoRoom { free, needed: self.reserve })
    }

    /// Sets so many bytes aside, for who writes them at this place at once and would fill it.
    ///
    /// # Errors
    /// When too little would be left.
    pub(crate) fn set_aside(
        self: &Arc<Self>,
        place: &Path,
        bytes: u64,
    ) -> Result<SetAside, NoRoom> {
        let mut all = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = self.reserve.saturating_add(*all).saturating_add(bytes);
        let free = free(place);
        if free < needed {
            return Err(NoRoom { free, needed });
        }
        *all += bytes;
        Ok(SetAside { room: self.clone(), bytes })
    }

    /// What to say to whom the disk was full for.
    pub(crate) fn refusal(&self) -> NoRoom {
        NoRoom { free: self.free(), needed: self.reserve }
    }

    /// Whether there is too little now, or nothing; measured anew, and remembered for nobody: whom the
    /// last measurement refused may come again by now.
    pub(crate) fn is_short(&self) -> bool {
        self.free() < self.reserve.max(1)
    }

    /// Bytes that are free where there are fewest.
    pub(crate) fn free(&self) -> u64 {
        self.directories.iter().map(|path| free(path)).min().unwrap_or(u64::MAX)
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        *self.room.set_aside.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
    }
}

/// What an ordinary user may still write; all that can be said if nobody knows.
pub(crate) fn free(path: &Path) -> u64 {
    match rustix::fs::statvfs(path) {
        Ok(known) => known.f_bavail.saturating_mul(known.f_frsize),
        Err(e) => {
            tracing::warn!("cannot measure the free room at {}: {e}", path.display());
            u64::MAX
        }
    }
}

/// Whether they take their room from each other, as far as anybody knows.
pub(crate) fn is_on_one_disk(a: &Path, b: &Path) -> bool {
    matches!((a.metadata(), b.metadata()), (Ok(a), Ok(b)) if a.dev() == b.dev())
}

/// Whether a write failed for want of room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether that is among the causes of an error.
pub(crate) fn is_cause(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref()).any(is_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_told_with_both_numbers() {
        let here = vec![PathBuf::from("/")];
        assert_eq!(Room::new(here.clone(), 0).check(), Ok(()));
        let refused = Room::new(here, u64::MAX).check().unwrap_err();
        assert!(refused.free > 0 && refused.needed == u64::MAX, "{refused}");
    }

    #[test]
    fn what_is_written_counts_before_it_is_measured() {
        let room = Room::new(vec![PathBuf::from("/")], 1000);
        *room.measured.lock().unwrap() = Some((Instant::now() + FRESH * 60, 1010));
        assert_eq!(room.take(7), Ok(()));
        assert_eq!(room.take(4), Err(NoRoom { free: 1003, needed: 1000 }));
        assert_eq!((room.take(3), room.check()), (Ok(()), Ok(())));
        assert_eq!(room.take(1), Err(NoRoom { free: 1000, needed: 1000 }));
    }

    #[test]
    fn who_writes_much_at_once_does_not_take_the_room_of_another() {
        let place = Path::new("/");
        let (room, most) = (Arc::new(Room::new(vec![], 0)), free(place) / 5 * 3);
        let first = room.set_aside(place, most).unwrap();
        room.set_aside(place, most).unwrap_err();
        drop(first);
        drop(room.set_aside(place, most).unwrap());
        let reserved = Arc::new(Room::new(vec![], most));
        reserved.set_aside(place, most).unwrap_err();
    }

    #[test]
    fn what_cannot_be_measured_refuses_nobody() {
        assert_eq!(Room::new(vec!["/no/such/directory".into()], 1).check(), Ok(()));
    }
}
