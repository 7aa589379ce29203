//! Opens what lies beneath a workspace, and nothing else.
//!
//! Every entry is opened by its path from the workspace's own descriptor, with `openat2` refusing
//! links, `..` and other file systems on the way. However deep a workspace is, one descriptor is
//! open at a time.

use std::fs::File;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::PackError;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// An open workspace: all that can be done to its files is done through it.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    root: BorrowedFd<'a>,
}

/// The names in a directory, in order.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The first of them.
    pub(crate) first: Vec<Vec<u8>>,
    /// How many more there are.
    pub(crate) more: u64,
}

impl<'a> Tree<'a> {
    /// The workspace that is this open directory.
    #[must_use]
    pub fn new(root: BorrowedFd<'a>) -> Self {
        Self { root }
    }

    /// Whether it can be used at all.
    pub(crate) fn check(&self) -> Result<(), PackError> {
        match self.directory(b"") {
            Ok(_) => Ok(()),
            Err(source @ (Errno::NOSYS | Errno::PERM)) => Err(PackError::NoOpenat2 { source }),
            Err(source) => Err(PackError::Workspace { source }),
        }
    }

    pub(crate) fn root(&self) -> BorrowedFd<'a> {
        self.root
    }

    /// Opens a directory.
    pub(crate) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_at(path, OFlags::DIRECTORY)
    }

    /// What an entry is, and a handle on it that cannot read it: nothing is opened yet that could
    /// notice (a device) or block (a FIFO).
    pub(crate) fn look(&self, path: &[u8]) -> Result<(OwnedFd, Stat), Errno> {
        let handle = self.open_at(path, OFlags::PATH)?;
        let stat = rustix::fs::fstat(&handle)?;
        Ok((handle, stat))
    }

    /// Opens a file for reading; none if the entry is no regular file (any more).
    pub(crate) fn file(&self, path: &[u8]) -> Result<Option<(File, Stat)>, Errno> {
        // NONBLOCK: the entry may have become a FIFO since somebody looked.
        let opened = self.open_at(path, OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&opened)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| (File::from(opened), stat)))
    }

    /// The first `keep` names of a directory, in order.
    pub(crate) fn names(&self, path: &[u8], keep: usize) -> Result<Names, Errno> {
        let mut names = Names::default();
        for entry in Dir::new(self.directory(path)?)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.first.push(entry.file_name().to_bytes().to_vec());
            }
            if names.first.len() >= keep.saturating_mul(2).max(1024) {
                names.cut(keep);
            }
        }
        names.cut(keep);
        Ok(names)
    }

    fn open_at(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::io::retry_on_intr(|| {
            rustix::fs::openat2(self.root, path, flags, Mode::empty(), BENEATH)
        })
    }
}

impl Names {
    /// Sorts the names and forgets all after the first `keep`.
    fn cut(&mut self, keep: usize) {
        self.first.sort_unstable();
        self.more += self.first.len().saturating_sub(keep) as u64;
        self.first.truncate(keep);
    }
}

/// The text of a link, from a handle [`Tree::look`] gave.
pub(crate) fn link_target(handle: &OwnedFd) -> Result<Vec<u8>, Errno> {
    Ok(rustix::fs::readlinkat(handle, "", Vec::new())?.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn open(path: &str) -> File {
        File::open(path).unwrap()
    }

    #[test]
    fn mount_points_are_not_entered() {
        let root = open("/");
        let tree = Tree::new(root.as_fd());
        assert_eq!(tree.look(b"proc").unwrap_err(), Errno::XDEV);
        assert_eq!(tree.file(b"proc/version").unwrap_err(), Errno::XDEV);
    }

    #[test]
    fn no_way_leads_out() {
        let usr = open("/usr");
        for path in [&b"../etc/passwd"[..], b"/etc/passwd", b"../usr/."] {
            assert_eq!(Tree::new(usr.as_fd()).file(path).unwrap_err(), Errno::XDEV);
        }
        let process = open(&format!("/proc/{}", std::process::id()));
        for path in [&b"exe"[..], b"root/etc/passwd"] {
            assert_eq!(Tree::new(process.as_fd()).file(path).unwrap_err(), Errno::LOOP);
        }
    }
}
