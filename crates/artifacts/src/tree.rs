//! Opens what lies beneath a workspace, and nothing else.
//!
//! Every entry is opened by its path from the workspace's own descriptor, with `openat2` refusing
//! links, `..` and other file systems on the way. However deep a workspace is, one descriptor is
//! open at a time.

use std::fs::File;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::PackError;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// An open workspace.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

/// The names in a directory, in order.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The first of them.
    pub(crate) first: Vec<Vec<u8>>,
    /// How many more there are.
    pub(crate) more: u64,
}

impl Tree {
    /// Opens a workspace; none if there is no such directory.
    pub(crate) fn open(workspace: &Path) -> Result<Option<Self>, PackError> {
        let failed = |source| PackError::Workspace { path: workspace.into(), source };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(workspace, flags, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let tree = Self { root };
        match tree.open_at(b"", OFlags::DIRECTORY) {
            Ok(_) => Ok(Some(tree)),
            Err(source @ (Errno::NOSYS | Errno::PERM)) => {
                Err(PackError::NoOpenat2 { path: workspace.into(), source })
            }
            Err(errno) => Err(failed(errno)),
        }
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
        for entry in Dir::new(self.open_at(path, OFlags::DIRECTORY)?)? {
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
            rustix::fs::openat2(&self.root, path, flags, Mode::empty(), BENEATH)
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
    use super::*;

    fn open(path: &str) -> Tree {
        Tree::open(Path::new(path)).unwrap().unwrap()
    }

    #[test]
    fn mount_points_are_not_entered() {
        assert_eq!(open("/").look(b"proc").unwrap_err(), Errno::XDEV);
        assert_eq!(open("/").file(b"proc/version").unwrap_err(), Errno::XDEV);
    }

    #[test]
    fn no_way_leads_out() {
        for path in [&b"../etc/passwd"[..], b"/etc/passwd", b"../usr/."] {
            assert_eq!(open("/usr").file(path).unwrap_err(), Errno::XDEV);
        }
        let process = format!("/proc/{}", std::process::id());
        for path in [&b"exe"[..], b"root/etc/passwd"] {
            assert_eq!(open(&process).file(path).unwrap_err(), Errno::LOOP);
        }
    }
}
