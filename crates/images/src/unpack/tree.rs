//! A directory tree that is being made of hostile names. Every path is resolved by the kernel
//! beneath the open root, and a path with a link on the way is refused.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
};
use rustix::io::Errno;

use crate::ImageError;
use crate::error::{bad, io_error};
use crate::members::Member;

/// The owner of what has an id that none can be.
const NOBODY: u32 = 65534;

/// Modes of directories that no layer has, and of our own files.
const PLAIN_DIRECTORY: Mode = Mode::from_raw_mode(0o755);
const PLAIN_FILE: Mode = Mode::from_raw_mode(0o644);

pub(super) struct Tree {
    root: OwnedFd,
    /// For people.
    path: PathBuf,
    /// Whether files can be given away.
    is_root: bool,
}

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        let root = File::open(path).map_err(io_error("open", path))?.into();
        Ok(Self { root, path: path.into(), is_root: rustix::process::geteuid().is_root() })
    }

    /// Makes a directory, or changes the one there is.
    pub(super) fn directory(&self, path: &Path, member: &Member) -> Result<(), ImageError> {
        self.told("create", path, || {
            let is_root = path.as_os_str().is_empty();
            if !is_root && !matches!(self.kind(path), Ok(FileType::Directory)) {
                self.unlink(path)?;
                let (parent, name) = self.parent(path)?;
                rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
            }
            let open = self.open_directory(path)?;
            self.own(&open, member)?;
            // We have to get into it ourselves; a sticky bit is for all who share it.
            rustix::fs::fchmod(&open, Mode::from_raw_mode(member.mode & 0o1777 | 0o700))
        })
    }

    /// Makes a file with this content, in the place of what is there. Returns its length.
    pub(super) fn file(
        &self,
        path: &Path,
        member: &Member,
        content: &mut dyn Read,
    ) -> Result<u64, ImageError> {
        let open = self.told("create", path, || self.create(path))?;
        let mut file = File::from(open);
        let copied = io::copy(content, &mut file).map_err(|e| self.error("write", path, e))?;
        if copied != member.bytes {
            return Err(bad(format!("it ends within {}", path.display())));
        }
        self.told("finish", path, || {
            self.own(&file, member)?;
            // Whoever it belongs to has to read it to change a copy of it.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(member.mode & 0o777 | 0o400))?;
            rustix::fs::futimens(&file, &times(member.modified))
        })?;
        Ok(copied)
    }

    /// Makes a symbolic link, which leads wherever it does inside of a sandbox.
    pub(super) fn symlink(&self, path: &Path, member: &Member) -> Result<(), ImageError> {
        self.told("link", path, || {
            self.unlink(path)?;
            let (parent, name) = self.parent(path)?;
            rustix::fs::symlinkat(&*member.link, &parent, name)?;
            if self.is_root {
                let (uid, gid) = ids(member);
                rustix::fs::chownat(
                    &parent,
                    name,
                    Some(uid),
                    Some(gid),
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
            Ok(())
        })
    }

    /// Gives a file of the tree one more name.
    pub(super) fn link(&self, path: &Path, target: &Path) -> Result<(), Errno> {
        let (from, old) = self.existing_parent(target)?;
        let (to, new) = self.parent(path)?;
        if path != target {
            self.unlink(path)?;
        }
        // Without a flag a link is not followed.
        match rustix::fs::linkat(&from, old, &to, new, AtFlags::empty()) {
            Err(Errno::EXIST) if path == target => Ok(()),
            linked => linked,
        }
    }

    /// Gives a directory its time, if it is one still.
    pub(super) fn date(&self, path: &Path, modified: i64) -> Result<(), ImageError> {
        match self.open_directory(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            open => self.told("date", path, || rustix::fs::futimens(open?, &times(modified))),
        }
    }

    /// Removes what is there, if anything is.
    pub(super) fn remove(&self, path: &Path) -> Result<(), ImageError> {
        self.told("remove", path, || self.unlink(path))
    }

    /// Removes all that is in a directory, if it is one.
    pub(super) fn empty(&self, path: &Path) -> Result<(), ImageError> {
        self.told("empty", path, || {
            let open = match self.open_directory(path) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
                open => open?,
            };
            for entry in Dir::new(open)? {
                let entry = entry?;
                let name = entry.file_name();
                if name != c"." && name != c".." {
                    use std::os::unix::ffi::OsStrExt as _;
                    self.unlink(&path.join(OsStr::from_bytes(name.to_bytes())))?;
                }
            }
            Ok(())
        })
    }

    /// Makes a plain directory, unless something is there, or a link is on the way.
    pub(super) fn place(&self, path: &Path) -> Result<(), ImageError> {
        self.told("create", path, || match self.make(path) {
            Err(Errno::EXIST | Errno::LOOP | Errno::NOTDIR) => Ok(()),
            made => made,
        })
    }

    /// Writes a plain file, unless one is there that is not empty.
    pub(super) fn fill(&self, path: &Path, text: &str) -> Result<(), ImageError> {
        let written = || {
            let (parent, name) = self.parent(path)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = File::from(rustix::fs::openat(parent, name, flags, PLAIN_FILE)?);
            match file.metadata()?.len() {
                0 => (&file).write_all(text.as_bytes()),
                _ => Ok(()),
            }
        };
        match written() {
            // A link, or a link on the way, or no file: what is there stays.
            Err(e) if is_other(&e) => Ok(()),
            written => written.map_err(|e| self.error("write", path, e)),
        }
    }

    /// What is there; a link is a link.
    fn kind(&self, path: &Path) -> Result<FileType, Errno> {
        let (parent, name) = self.existing_parent(path)?;
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    fn create(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.unlink(path)?;
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
    }

    fn unlink(&self, path: &Path) -> Result<(), Errno> {
        let (parent, name) = match self.existing_parent(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            parent => parent?,
        };
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                // It follows no link beneath this, and what we made is not deep.
                let path =
                    Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name);
                fs::remove_dir_all(path).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
            }
            removed => removed,
        }
    }

    fn own(&self, open: impl std::os::fd::AsFd, member: &Member) -> Result<(), Errno> {
        let (uid, gid) = ids(member);
        if self.is_root { rustix::fs::fchown(open, Some(uid), Some(gid)) } else { Ok(()) }
    }

    /// The open directory of this path, and the name in it. Directories on the way that no layer
    /// has are made.
    fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr), Errno> {
        match self.existing_parent(path) {
            Err(Errno::NOENT) => {
                self.make(path.parent().ok_or(Errno::INVAL)?)?;
                self.existing_parent(path)
            }
            parent => parent,
        }
    }

    fn existing_parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr), Errno> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        Ok((self.open_directory(path.parent().ok_or(Errno::INVAL)?)?, name))
    }

    fn make(&self, path: &Path) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::mkdirat(&parent, name, PLAIN_DIRECTORY)?;
        // Whatever the mask of this process is.
        rustix::fs::chmodat(&parent, name, PLAIN_DIRECTORY, AtFlags::empty())
    }

    fn open_directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    fn told<T>(
        &self,
        what: &'static str,
        path: &Path,
        work: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, ImageError> {
        work().map_err(|e| match e {
            Errno::LOOP => bad(format!("it puts {} behind a symbolic link", path.display())),
            e => self.error(what, path, e),
        })
    }

    fn error(&self, what: &'static str, path: &Path, e: impl Into<io::Error>) -> ImageError {
        io_error(what, self.path.join(path))(e)
    }
}

fn is_other(e: &io::Error) -> bool {
    let other = [Errno::LOOP, Errno::NOTDIR, Errno::ISDIR, Errno::EXIST];
    Errno::from_io_error(e).is_some_and(|e| other.contains(&e))
}

fn ids(member: &Member) -> (Uid, Gid) {
    let id = |id: u64| u32::try_from(id).ok().filter(|id| *id != u32::MAX).unwrap_or(NOBODY);
    (Uid::from_raw(id(member.uid)), Gid::from_raw(id(member.gid)))
}

fn times(modified: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified, tv_nsec: 0 },
    }
}
