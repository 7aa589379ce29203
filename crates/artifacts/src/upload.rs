//! Writing into a workspace: each file appears complete or not at all.
//!
//! The workspace may be changed by hostile programs meanwhile. So directories are made and opened
//! one by one beneath its descriptor, no link is followed, and what is replaced is the name, never
//! what a link of that name leads to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use types::delivery;
use uuid::Uuid;

use crate::access::{AccessError, join, size};
use crate::manifest::Why;
use crate::path::WorkspacePath;
use crate::tree::Tree;
use crate::walk::{Found, Walk};
use crate::{Options, PackError, name};

/// A file being written; dropped before [`NewFile::finish`], it never was.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    directory: OwnedFd,
    unfinished: Vec<u8>,
    name: Vec<u8>,
    done: bool,
}

/// What a new file took the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Nothing: its name is new.
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// A link, a device.
    Other,
}

impl Tree<'_> {
    /// Begins to write a file, with the directories it lies in. It belongs to whom the workspace
    /// belongs, and anybody may read it (0644).
    ///
    /// # Errors
    /// [`AccessError::NotAFile`] where a directory has its name, [`AccessError::NoSuchFile`] where
    /// its path leads over something that is no directory.
    pub fn create(&self, path: &WorkspacePath) -> Result<NewFile, AccessError> {
        let (directory, name) = path.split().ok_or(AccessError::NotAFile)?;
        let owner = rustix::fs::fstat(self.root())?;
        let directory = self.make_directories(directory, &owner)?;
        if kind_at(&directory, name)? == Some(FileType::Directory) {
            return Err(AccessError::NotAFile);
        }
        let unfinished = delivery::unfinished(&Uuid::now_v7().simple().to_string());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let made = rustix::fs::openat(&directory, &unfinished, flags | OFlags::CLOEXEC, mode)?;
        let name = name.to_vec();
        let new = NewFile { file: made.into(), directory, unfinished, name, done: false };
        hand_over(&new.file, &owner)?;
        rustix::fs::fchmod(&new.file, Mode::from_raw_mode(0o644))?;
        Ok(new)
    }

    /// Opens a directory and makes what is missing on the way.
    fn make_directories(&self, path: &[u8], owner: &Stat) -> Result<OwnedFd, AccessError> {
        let mut at = self.directory(b"")?;
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let mut sofar = Vec::new();
        parts.try_for_each(|part| {
            sofar = join(&sofar, part);
            let made = match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(errno),
            };
            at = self.directory(&sofar)?;
            if made { hand_over(&at, owner) } else { Ok(()) }
        })?;
        Ok(at)
    }

    /// Writes every file of `from` here.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn take_over(&self, from: &Tree<'_>) -> Result<(), PackError> {
        let options = Options {
            include_caches: true,
            max_files: u64::MAX,
            max_file_bytes: u64::MAX,
            max_total_bytes: u64::MAX,
            max_depth: u32::MAX,
        };
        let unreadable = |source| PackError::Workspace { source };
        for found in Walk::new(*from, options).map_err(unreadable)? {
            match found? {
                (path, Found::File) => self.copy_from(from, path)?,
                // Still being written: too late for this workspace.
                (_, Found::LeftOut(Why::Reserved) | Found::EmptyDirectory) => {}
                (path, _) => {
                    return Err(PackError::Input {
                        path: name::escape(&path),
                        source: AccessError::NotAFile,
                    });
                }
            }
        }
        Ok(())
    }

    fn copy_from(&self, from: &Tree<'_>, path: Vec<u8>) -> Result<(), PackError> {
        let path = WorkspacePath::from_bytes(path);
        let copy = || {
            let mut new = self.create(&path)?;
            io::copy(&mut from.read(&path)?, &mut new.file)?;
            new.finish()
        };
        copy().map(drop).map_err(|source| PackError::Input { path: path.to_string(), source })
    }
}

impl NewFile {
    /// Where its bytes go.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What has its name now.
    ///
    /// # Errors
    /// When its directory cannot be looked at.
    pub fn replaces(&self) -> Result<Replaced, AccessError> {
        match rustix::fs::statat(&self.directory, &*self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(Replaced::Nothing),
            Err(errno) => Err(errno.into()),
            Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Replaced::File(size(&stat)),
                _ => Replaced::Other,
            }),
        }
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When a directory has it by now, or its own directory is gone.
    pub fn finish(mut self) -> Result<Replaced, AccessError> {
        let replaced = self.replaces()?;
        let (directory, from) = (self.directory.as_fd(), &*self.unfinished);
        rustix::fs::renameat(directory, from, directory, &*self.name)?;
        self.done = true;
        Ok(replaced)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = rustix::fs::unlinkat(&self.directory, &*self.unfinished, AtFlags::empty());
        }
    }
}

fn kind_at(directory: &OwnedFd, name: &[u8]) -> Result<Option<FileType>, Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Gives what the orchestrator made to whom the workspace belongs.
fn hand_over(made: impl AsFd, owner: &Stat) -> Result<(), Errno> {
    let now = rustix::fs::fstat(&made)?;
    if (now.st_uid, now.st_gid) == (owner.st_uid, owner.st_gid) {
        return Ok(());
    }
    let user = rustix::fs::Uid::from_raw(owner.st_uid);
    rustix::fs::fchown(made, Some(user), Some(rustix::fs::Gid::from_raw(owner.st_gid)))
}
