//! Removes a folder whose content is hostile: any depth, any modes, any names.
//!
//! `std::fs::remove_dir_all` holds a descriptor and a stack frame for each level, so that a job
//! could make a tree that cannot be removed. Here what lies too deep is moved up first.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// Beginning of the name of a folder that is being removed.
const MARK: &str = ".removing-";

/// How deep we descend: deeper than honest trees are, and few descriptors.
const DEPTH: u32 = 64;

/// Most attempts to empty a directory to which somebody is still adding.
const ATTEMPTS: u32 = 100;

/// Removes `<home>/<name>`. It is out of sight at once, also if this is interrupted. No error if it
/// is not there.
pub(crate) fn remove(home: &Path, name: &str) -> io::Result<()> {
    let folder = home.join(name);
    let marked = removing(&folder);
    match std::fs::rename(&folder, &marked) {
        // It may have been marked by an earlier attempt.
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => sweep(&marked, FlockOperation::LockExclusive),
    }
}

/// Where a folder is while it is being removed.
pub(crate) fn removing(folder: &Path) -> PathBuf {
    let mut name = OsString::from(MARK);
    name.push(folder.file_name().unwrap_or_default());
    folder.with_file_name(name)
}

/// Finishes what nobody is removing any more.
pub(crate) fn finish_interrupted(home: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(home)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(MARK) {
            match sweep(&entry.path(), FlockOperation::NonBlockingLockExclusive) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// Of several who remove the same folder the lock lets one go first; the others find nothing.
fn sweep(root: &Path, lock: FlockOperation) -> io::Result<()> {
    let top = match open_dir(CWD, root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    rustix::fs::flock(&top, lock)?;
    let mut sweeper = Sweeper { top, moved: 0 };
    for _ in 0..ATTEMPTS {
        sweeper.empty_all()?;
        match std::fs::remove_dir(root) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
    std::fs::remove_dir(root)
}

struct Sweeper {
    top: OwnedFd,
    moved: u64,
}

impl Sweeper {
    /// Empties the top directory, also of what is moved there meanwhile.
    fn empty_all(&mut self) -> io::Result<()> {
        loop {
            let moved = self.moved;
            let top = self.top.try_clone()?;
            self.empty(&top, DEPTH)?;
            if self.moved == moved {
                return Ok(());
            }
        }
    }

    fn empty(&mut self, dir: &OwnedFd, depth: u32) -> io::Result<()> {
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => kind_of(dir, name)?,
                known => known,
            };
            if kind != FileType::Directory {
                rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
                continue;
            }
            // A job may have closed a directory to its owner, who must read it to empty it and write
            // it to move it. It is known to be no link.
            rustix::fs::chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
            if depth == 0 {
                self.move_up(dir, name)?;
            } else {
                self.remove(dir, name, depth - 1)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, dir: &OwnedFd, name: &CStr, depth: u32) -> io::Result<()> {
        self.empty(&open_dir(dir, name)?, depth)?;
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            // Somebody inside is not dead yet; the next attempt finds it.
            Err(Errno::NOTEMPTY) => Ok(()),
            other => Ok(other?),
        }
    }

    fn move_up(&mut self, dir: &OwnedFd, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let free = CString::new(format!("{MARK}{}", self.moved))?;
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(dir, name, &self.top, &free, flags) {
                Err(Errno::EXIST) => {}
                other => return Ok(other?),
            }
        }
    }
}

fn open_dir(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

fn kind_of(dir: &OwnedFd, name: &CStr) -> io::Result<FileType> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn removes_what_would_break_a_recursion() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("job")).unwrap();
        // Deeper than we descend, and than a path may be long.
        let mut dir = open_dir(CWD, home.path().join("job")).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
            dir = open_dir(&dir, "d").unwrap();
        }
        remove(home.path(), "job").unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn follows_no_link_and_minds_no_mode() {
        let home = tempfile::tempdir().unwrap();
        let kept = home.path().join("kept");
        fs::write(&kept, "x").unwrap();
        let closed = home.path().join("job/closed");
        fs::create_dir_all(closed.join("below")).unwrap();
        symlink(home.path(), closed.join("below/link")).unwrap();
        symlink(&kept, closed.join("file")).unwrap();
        fs::create_dir(home.path().join("job/.removing-1")).unwrap();
        for dir in [closed.join("below"), closed] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o000)).unwrap();
        }
        remove(home.path(), "job").unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "only what is kept");
        remove(home.path(), "job").unwrap();
    }

    #[test]
    fn finishes_an_interrupted_removal() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".removing-x/a/b")).unwrap();
        finish_interrupted(home.path()).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
