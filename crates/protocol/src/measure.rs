//! Adds up what a directory holds: the quota of those who cannot set one. The orchestrator does it
//! where it sees the directory, a little at a time, else `agentd measure` in the sandbox.
//!
//! It is a watch, not a wall. A job can be over its quota for as long as a walk takes, and what it
//! keeps open without a name, or behind directories that are closed to us or very deep, is not seen.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};

/// Entries looked at in one go: a few milliseconds in which a helper does nothing else.
const SLICE: u32 = 1000;

/// The pause between two of them.
const BREATH: Duration = Duration::from_millis(50);

/// The pause between two walks.
const PAUSE: Duration = Duration::from_secs(1);

/// Entries looked at when the sandbox has ended and somebody waits for the sum.
const LAST_LOOK: u32 = 20_000;

/// How deep we descend: far deeper than honest trees are, with a descriptor for each level.
const DEPTH: usize = 200;

/// How much this directory holds, in bytes; it stops counting where that is more than the limit.
///
/// # Errors
/// When it cannot be read at all.
pub fn measure(root: &OwnedFd, limit: u64) -> io::Result<u64> {
    let mut walk = Walk::of(root)?;
    while !walk.is_over() && walk.bytes <= limit {
        walk.advance(SLICE);
    }
    Ok(walk.bytes)
}

/// Watches a directory.
#[derive(Debug)]
pub struct Watch {
    root: OwnedFd,
    limit: u64,
    walk: Walk,
    next: Instant,
    /// What the last complete walk found.
    last: Option<u64>,
}

impl Watch {
    /// Watches this directory, which may hold so many bytes.
    #[must_use]
    pub fn new(root: OwnedFd, limit: u64) -> Self {
        let next = Instant::now() + PAUSE;
        Self { root, limit, walk: Walk::default(), next, last: None }
    }

    /// How long until it wants to look again.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Looks at some more, if it is time to. True once there is more than the limit.
    pub fn look(&mut self) -> bool {
        if !self.timeout().is_zero() {
            return false;
        }
        if self.walk.is_over() {
            let Ok(walk) = Walk::of(&self.root) else {
                self.next = Instant::now() + PAUSE;
                return false;
            };
            self.walk = walk;
        }
        self.walk.advance(SLICE);
        let over = self.walk.bytes > self.limit;
        let done = self.walk.is_over();
        if done {
            self.last = Some(self.walk.bytes);
        }
        self.next = Instant::now() + if done { PAUSE } else { BREATH };
        over
    }

    /// What there is in the end: as of now if that is quickly told, else as last seen.
    #[must_use]
    pub fn finish(&self) -> Option<u64> {
        let Ok(mut walk) = Walk::of(&self.root) else { return self.last };
        walk.advance(LAST_LOOK);
        if walk.is_over() { Some(walk.bytes) } else { self.last }
    }

    /// What the last complete walk found, in bytes.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// What it may hold, in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

/// On its way through a tree that may change at any moment.
#[derive(Debug, Default)]
struct Walk {
    /// The directories that lead to where it is.
    dirs: Vec<Dir>,
    bytes: u64,
}

impl Walk {
    /// Fails if the job closed its workspace to us.
    fn of(root: &OwnedFd) -> io::Result<Self> {
        Ok(Self { dirs: vec![Dir::read_from(root)?], bytes: 0 })
    }

    fn is_over(&self) -> bool {
        self.dirs.is_empty()
    }

    /// Looks at this many entries, or at what is left.
    fn advance(&mut self, entries: u32) {
        for _ in 0..entries {
            let Some(dir) = self.dirs.last_mut() else { return };
            match dir.read() {
                Some(Ok(entry)) if entry.file_name() == c"." || entry.file_name() == c".." => {}
                // What is gone again, or closed, is not counted.
                Some(Ok(entry)) => {
                    let _ = self.count(&entry);
                }
                Some(Err(_)) | None => {
                    self.dirs.pop();
                }
            }
        }
    }

    fn count(&mut self, entry: &rustix::fs::DirEntry) -> io::Result<()> {
        let Some(dir) = self.dirs.last() else { return Ok(()) };
        let (dir, name) = (dir.fd()?, entry.file_name());
        let wanted = StatxFlags::TYPE | StatxFlags::NLINK | StatxFlags::BLOCKS;
        let stat = rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
        let bytes = stat.stx_blocks * 512;
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
            // Each of its names counts for its part.
            self.bytes += bytes / u64::from(stat.stx_nlink.max(1));
            return Ok(());
        }
        self.bytes += bytes;
        if self.dirs.len() < DEPTH {
            let child = Dir::new(open_dir(dir, name)?)?;
            self.dirs.push(child);
        }
        Ok(())
    }
}

fn open_dir(at: impl AsFd, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn watch(dir: &tempfile::TempDir, limit: u64) -> Watch {
        Watch::new(File::open(dir.path()).unwrap().into(), limit)
    }

    #[test]
    fn counts_what_is_on_the_disk_and_each_file_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let file = dir.path().join("a/b/file");
        fs::write(&file, vec![1; 1 << 20]).unwrap();
        fs::hard_link(&file, dir.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", dir.path().join("a/link")).unwrap();
        File::create(dir.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
        let bytes = watch(&dir, 0).finish().unwrap();
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&bytes), "{bytes}");
    }

    #[test]
    fn goes_on_where_it_stopped_and_stops_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..2 * SLICE {
            fs::write(dir.path().join(n.to_string()), "x").unwrap();
        }
        let mut watch = watch(&dir, 5 << 20);
        assert!(!watch.look(), "it is not time yet");
        watch.next = Instant::now();
        assert!(!watch.look(), "half of it is below the limit");
        assert!(watch.last.is_none() && watch.timeout() <= BREATH);
        watch.next = Instant::now();
        assert!(watch.look(), "all of it is not");
    }

    #[test]
    fn measures_all_at_once_and_no_more_than_it_must() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..4 * SLICE {
            fs::write(dir.path().join(n.to_string()), "x").unwrap();
        }
        let root: OwnedFd = File::open(dir.path()).unwrap().into();
        let (all, some) = (measure(&root, u64::MAX).unwrap(), measure(&root, 4096).unwrap());
        assert_eq!(Some(all), watch(&dir, 0).finish());
        assert!(some > 4096 && some < all, "{some} of {all}");
    }

    #[test]
    fn a_tree_without_end_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut at: OwnedFd = File::open(dir.path()).unwrap().into();
        for _ in 0..2 * DEPTH {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = open_dir(&at, c"d").unwrap();
        }
        assert!(watch(&dir, 0).finish().is_some());
    }
}
