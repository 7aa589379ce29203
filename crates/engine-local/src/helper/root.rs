//! The root file system of a sandbox once it is `/` and nothing of the host is left beside it.
//! An image may have links at every name, to anywhere, or something else than belongs there. So each
//! name is resolved by the kernel within the root and beneath it only.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;

use super::error::{SetupError, at};
use super::mount_calls::{attach, mount_new, seal};

pub(super) struct Root(OwnedFd);

/// The kernel gives up on a link that leads up (`..`) when anything on the host is mounted or renamed
/// at that moment.
const TRIES: usize = 1000;

impl Root {
    /// What is `/` now.
    pub(super) fn open() -> Result<Self, SetupError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open("/", flags, Mode::empty()).map(Self).map_err(at("open", "/"))
    }

    /// Mounts a detached tree, or a file, at this name.
    pub(super) fn place(&self, tree: &OwnedFd, target: &Path) -> Result<(), SetupError> {
        let stat = fstat(tree).map_err(at("look at", shown(target)))?;
        let there = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.directory(target),
            _ => self.file(target),
        };
        attach(tree, there?, "").map_err(at("mount", shown(target)))
    }

    /// Mounts a new file system of the kernel's own at this name.
    pub(super) fn mount(&self, kind: &str, target: &str, options: &str) -> Result<(), SetupError> {
        self.enter(Path::new(target))?;
        mount_new(kind, ".", options).map_err(at("mount", format!("{kind} on /{target}")))
    }

    /// Makes what is mounted at this name read-only, but not what is mounted in it.
    pub(super) fn seal(&self, target: &str) -> Result<(), SetupError> {
        self.enter(Path::new(target))?;
        seal(".").map_err(at("make read-only", format!("/{target}")))
    }

    /// Makes this directory the current one.
    fn enter(&self, target: &Path) -> Result<(), SetupError> {
        rustix::process::fchdir(self.directory(target)?).map_err(at("enter", shown(target)))
    }

    /// The directory of this name, which is made if nothing is there.
    pub(super) fn directory(&self, path: &Path) -> Result<OwnedFd, SetupError> {
        match self.find(path, OFlags::DIRECTORY) {
            Err(Errno::NOENT) => self.make_directory(path)?,
            found => return found.map_err(at("use", shown(path))),
        }
        self.find(path, OFlags::DIRECTORY).map_err(at("open", shown(path)))
    }

    /// The file of this name; an empty one is made if nothing is there.
    fn file(&self, path: &Path) -> Result<OwnedFd, SetupError> {
        match self.find(path, OFlags::empty()) {
            Err(Errno::NOENT) => {}
            found => return found.map_err(at("use", shown(path))),
        }
        let parent = self.directory(path.parent().unwrap_or(Path::new("")))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name(path), flags, Mode::from_raw_mode(0o644))
            .map_err(|e| not_made(path, e))
    }

    fn make_directory(&self, path: &Path) -> Result<(), SetupError> {
        let parent = self.directory(path.parent().unwrap_or(Path::new("")))?;
        rustix::fs::mkdirat(parent, name(path), Mode::from_raw_mode(0o755))
            .map_err(|e| not_made(path, e))
    }

    fn find(&self, path: &Path, kind: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC | kind;
        let open = || rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve);
        let mut tries = std::iter::repeat_with(open).take(TRIES);
        tries.find(|found| !matches!(found, Err(Errno::AGAIN))).unwrap_or(Err(Errno::AGAIN))
    }
}

/// The last part of a name, which the kernel does not follow when it makes something.
fn name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

/// Nothing was found there, and still something is in the way.
fn not_made(path: &Path, e: Errno) -> SetupError {
    let path = shown(path);
    match e {
        Errno::EXIST => at("mount on", format!("{path}, where the image has a dangling link"))(e),
        e => at("create", path)(e),
    }
}

fn shown(path: &Path) -> String {
    format!("/{}", path.display())
}
