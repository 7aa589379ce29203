use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, mkdirat, open, openat, renameat, unlinkat,
};
use rustix::io::Errno;

/// The agent's own directory.
pub(super) const OWN: &str = ".cagent";

#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error("write {}: a path beneath the workspace, without `..`, is needed", .0.display())]
    Leaves(PathBuf),
    #[error("write {}: {} is a symbolic link or no directory, and links are not followed", path.display(), at.display())]
    Link { path: PathBuf, at: PathBuf },
    #[error("write {}: there is something else than a file", .0.display())]
    NotAFile(PathBuf),
    #[error("write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl From<PutError> for io::Error {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Leaves(_) => Errno::PERM.into(),
            PutError::Link { .. } => Errno::LOOP.into(),
            PutError::NotAFile(_) => Errno::ISDIR.into(),
            PutError::Io { source, .. } => source,
        }
    }
}

/// Writes a file beneath `root`, with its parents. No link on the way is followed; a file that is
/// there keeps its mode.
pub(super) fn put(root: &Path, path: &Path, mut content: impl Read) -> Result<(), PutError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let mut file = open_beneath(root, path, flags, Mode::from_raw_mode(0o644))?;
    let failed = |source: io::Error| PutError::Io { path: path.into(), source };
    io::copy(&mut content, &mut file).map(drop).map_err(failed)
}

/// Puts a file beneath `root` in place of what is there: all of it, or nothing.
pub(super) fn replace(root: &Path, path: &Path, mut content: impl Read) -> Result<(), PutError> {
    let failed = |source: io::Error| PutError::Io { path: path.into(), source };
    let errno = |errno: Errno| failed(errno.into());
    let (parent, name) = parent(root, path)?;
    let (own, _) = self::parent(root, Path::new(".cagent/new"))?;
    let new = format!("new-{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut file =
        open_file(&own, new.as_ref(), flags, Mode::from_raw_mode(0o644)).map_err(errno)?;
    let done = io::copy(&mut content, &mut file)
        .map_err(failed)
        .and_then(|_| renameat(&own, &new, &parent, name).map_err(errno));
    if done.is_err() {
        // It is of no use to anybody; the error says more than a second one would.
        let _ = unlinkat(&own, &new, AtFlags::empty());
    }
    done
}

/// Keeps the agent's own directory out of a job's Git repositories.
pub(super) fn reserve(root: &Path) -> Result<(), PutError> {
    let path = Path::new(OWN).join(".gitignore");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    match open_beneath(root, &path, flags, Mode::from_raw_mode(0o644)) {
        Ok(mut file) => file.write_all(b"*\n").map_err(|source| PutError::Io { path, source }),
        // It may be a command's that knows better.
        Err(PutError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a regular file beneath `root`, made with its parents if it is not there and may be. No
/// link on the way is followed.
pub(super) fn open_beneath(
    root: &Path,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<File, PutError> {
    let failed = |source: io::Error| PutError::Io { path: path.into(), source };
    let (dir, name) = parent(root, path)?;
    let file = open_file(&dir, name, flags, mode).map_err(|errno| match errno {
        Errno::LOOP => PutError::Link { path: path.into(), at: path.into() },
        // Also what opening a FIFO without a reader says.
        Errno::ISDIR | Errno::NXIO => PutError::NotAFile(path.into()),
        errno => failed(errno.into()),
    })?;
    let kind = fstat(&file).map_err(|errno| failed(errno.into()))?.st_mode;
    if FileType::from_raw_mode(kind) != FileType::RegularFile {
        return Err(PutError::NotAFile(path.into()));
    }
    Ok(file)
}

/// The directory a path beneath `root` lies in, made if it is not there, and its last name.
fn parent<'a>(root: &Path, path: &'a Path) -> Result<(OwnedFd, &'a Path), PutError> {
    let failed = |source: io::Error| PutError::Io { path: path.into(), source };
    let names = names(path)?;
    let (name, parents) = names.split_last().ok_or_else(|| PutError::Leaves(path.into()))?;
    let mut dir = open(root, directory(), Mode::empty()).map_err(|e| failed(e.into()))?;
    for (depth, parent) in parents.iter().enumerate() {
        dir = enter(&dir, parent).map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => {
                PutError::Link { path: path.into(), at: parents[..=depth].iter().collect() }
            }
            errno => failed(errno.into()),
        })?;
    }
    Ok((dir, name))
}

fn names(path: &Path) -> Result<Vec<&Path>, PutError> {
    path.components()
        .map(|component| match component {
            Component::Normal(name) => Ok(Path::new(name)),
            _ => Err(PutError::Leaves(path.into())),
        })
        .collect()
}

fn enter(dir: &OwnedFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    match mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => openat(dir, name, directory(), Mode::empty()),
        Err(errno) => Err(errno),
    }
}

fn open_file(dir: &OwnedFd, name: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<File> {
    // Not blocking: a FIFO must not hold us up.
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(dir, name, flags, mode).map(File::from)
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn put_text(root: &Path, path: &str) -> Result<(), String> {
        put(root, Path::new(path), &b"text"[..]).map_err(|error| error.to_string())
    }

    #[test]
    fn makes_parents_and_replaces_content() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "a longer text that goes away").unwrap();
        for path in ["a", "b/c/d.txt"] {
            put_text(root.path(), path).unwrap();
            assert_eq!(fs::read_to_string(root.path().join(path)).unwrap(), "text");
        }
    }

    #[test]
    fn never_leaves_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("dir")).unwrap();
        symlink(outside.path().join("x"), root.path().join("file")).unwrap();
        for path in ["dir/x", "file", "../x", "/x", "a/../../x", ""] {
            assert!(put_text(root.path(), path).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn replaces_all_or_nothing_and_follows_no_link() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let replaced = |path: &str| replace(root.path(), Path::new(path), &b"new"[..]);
        fs::write(outside.path().join("x"), "theirs").unwrap();
        symlink(outside.path().join("x"), root.path().join("link")).unwrap();
        symlink(outside.path(), root.path().join("dir")).unwrap();
        for path in ["link", "a/b"] {
            replaced(path).unwrap();
            assert_eq!(fs::read_to_string(root.path().join(path)).unwrap(), "new");
        }
        assert!(!root.path().join("link").is_symlink(), "it was replaced itself");
        for path in ["dir/y", "a", "../y"] {
            replaced(path).unwrap_err();
        }
        assert_eq!(fs::read_to_string(outside.path().join("x")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(root.path().join(".cagent")).unwrap().count(), 0, "nothing stays");
    }

    #[test]
    fn names_what_is_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), "").unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        let fifo = root.path().join("p");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
        assert!(put_text(root.path(), "f/x").unwrap_err().contains("f is a symbolic link or no"));
        assert!(put_text(root.path(), "d").unwrap_err().contains("something else"));
        assert!(put_text(root.path(), "p").unwrap_err().contains("something else"));
    }
}
