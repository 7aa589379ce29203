//! The workspace as the helper sees it: how much is in it, and whether that is too much.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use protocol::Watch;
use rustix::fs::{Mode, OFlags, StatVfs};
use types::Limits;

use super::error::{SetupError, at};
use crate::folder;

/// Less room than this is none: the kernel refuses a large write as a whole, so that one of 1 MiB fails
/// with 2 MiB free, as measured.
const LITTLE_BYTES: u64 = 4 * 1024 * 1024;

/// What a sandbox's files are kept on.
pub(super) enum Disk {
    /// A file system of their own, of the right size; its topmost directory.
    Image(OwnedFd),
    /// A directory of the host's.
    Folder(Watch),
}

/// How much is in a workspace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) bytes: Option<u64>,
    /// There is no room left.
    pub(super) full: bool,
}

/// Takes the mount that the engine gave us in the place of stdin.
pub(super) fn take_mount() -> Result<OwnedFd, SetupError> {
    let mount = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3);
    let mount = mount.map_err(at("take", "the workspace"))?;
    let null = File::open("/dev/null").map_err(at("open", "/dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(at("replace", "stdin"))?;
    Ok(mount)
}

impl Disk {
    pub(super) fn open(mount: Option<&OwnedFd>, limits: &Limits) -> Result<Self, SetupError> {
        let Some(mount) = mount else {
            let root = File::open(folder::WORKSPACE).map_err(at("open", folder::WORKSPACE))?;
            return Ok(Self::Folder(Watch::new(root.into(), limits.disk_bytes)));
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(mount, ".", flags, Mode::empty());
        Ok(Self::Image(root.map_err(at("open", "the workspace"))?))
    }

    /// How long until it wants to be looked at again; `None` where the kernel enforces the limit.
    pub(super) fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Image(_) => None,
            Self::Folder(watch) => Some(watch.timeout()),
        }
    }

    /// Whether there is more than there may be.
    pub(super) fn is_over(&mut self) -> bool {
        match self {
            Self::Image(_) => false,
            Self::Folder(watch) => watch.look(),
        }
    }

    /// How much is in it, as far as it is known without counting.
    pub(super) fn last_seen(&self) -> Option<u64> {
        match self {
            Self::Image(_) => self.fill().bytes,
            Self::Folder(watch) => watch.last(),
        }
    }

    /// How much is in it in the end.
    pub(super) fn fill(&self) -> Fill {
        match self {
            Self::Image(root) => {
                rustix::fs::fstatvfs(root).map(|stat| fill_of(&stat)).unwrap_or_default()
            }
            Self::Folder(watch) => {
                let bytes = watch.finish();
                Fill { bytes, full: bytes > Some(watch.limit()) }
            }
        }
    }

    /// Whether the host lost some of what was written.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Image(root) = self else { return false };
        let suspicious = is_short(self.last_seen().unwrap_or(0)) || has_warned(root);
        // Costly, so only on suspicion: it writes all there is to write, and tells whether that or
        // anything since `root` was opened, before the sandbox began, could not be written.
        suspicious && rustix::fs::syncfs(root).is_err()
    }
}

/// Whether the host has too little room for what was written into an image, which takes it as it
/// fills.
fn is_short(used: u64) -> bool {
    let taken = std::fs::metadata(folder::IMAGE).map_or(0, |image| image.blocks() * 512);
    let host = rustix::fs::statvfs(".");
    host.is_ok_and(|host| host.f_bavail * host.f_frsize < used.saturating_sub(taken) + LITTLE_BYTES)
}

/// Whether the file system complained, as it does of each write that failed, also if the host has
/// room again by now.
fn has_warned(root: &OwnedFd) -> bool {
    let Ok(stat) = rustix::fs::fstat(root) else { return false };
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let device = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap_or_default();
    let counts = Path::new("/sys/fs/ext4").join(device.file_name().unwrap_or_default());
    ["warning_count", "errors_count"].iter().any(|count| {
        let count = std::fs::read_to_string(counts.join(count)).unwrap_or_default();
        count.trim().parse::<u64>().is_ok_and(|count| count > 0)
    })
}

/// What the kernel keeps for its own tables is neither used nor to be had.
fn fill_of(stat: &StatVfs) -> Fill {
    let bytes = |blocks: u64| blocks * stat.f_frsize;
    let free = bytes(stat.f_bavail);
    let size = bytes(stat.f_blocks);
    let little = LITTLE_BYTES.min(size / 8).max(size / 100);
    let full = free < little || stat.f_ffree == 0;
    Fill { bytes: Some(bytes(stat.f_blocks - stat.f_bfree)), full }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(blocks: u64, free: u64, free_files: u64) -> Fill {
        let dir = tempfile::tempdir().unwrap();
        let real = rustix::fs::statvfs(dir.path()).unwrap();
        fill_of(&StatVfs {
            f_frsize: 4096,
            f_blocks: blocks,
            f_bfree: free + 10,
            f_bavail: free,
            f_ffree: free_files,
            ..real
        })
    }

    #[test]
    fn full_is_when_nothing_more_fits() {
        assert_eq!(fill(1_000_000, 900_000, 9), Fill { bytes: Some(99_990 * 4096), full: false });
        assert!(!fill(1_000_000, 10_000, 9).full, "one percent is left");
        assert!(fill(1_000_000, 9_999, 9).full);
        assert!(!fill(50_000, 1024, 9).full, "4 MiB are left");
        assert!(fill(50_000, 1023, 9).full);
        assert!(!fill(4096, 512, 9).full, "an eighth of a small one is left");
        assert!(fill(4096, 511, 9).full);
        assert!(fill(1_000_000, 900_000, 0).full, "no file can be made");
    }
}
