//! The `/proc` of a sandbox. It is made while the host's is still to be seen, without which the kernel
//! gives none.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use super::error::{SetupError, at};
use super::limits;
use super::mount_calls::{Access, attach, clone_tree, mount_new, seal};

const PROC: &str = "/proc";

/// Hidden behind a device that does not open: how the host was booted, its memory, keys
/// and timers.
const HIDDEN: [&str; 6] =
    ["cmdline", "kcore", "keys", "latency_stats", "sysrq-trigger", "timer_list"];

/// Read-only: settings of the kernel.
const FIXED: [&str; 4] = ["bus", "fs", "irq", "sys"];

/// Hidden behind an empty directory: hardware.
const EMPTIED: [&str; 3] = ["acpi", "asound", "scsi"];

/// A detached `/proc` of these namespaces, with all that is hidden in it. Over the host's, which nobody
/// here needs any more, lies what it is a copy of. After this no tree can be copied.
pub(super) fn make() -> Result<OwnedFd, SetupError> {
    mount_new("proc", PROC, "").map_err(at("mount", PROC))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let settings = rustix::fs::open("/proc/sys/user", flags, Mode::empty())
        .map_err(at("open", "/proc/sys/user"))?;
    for path in those_there(&HIDDEN) {
        put(&clone_tree(Path::new("/dev/null"), Access::Read)?, &path)?;
    }
    for path in those_there(&EMPTIED) {
        let path = path.to_string_lossy();
        mount_new("tmpfs", &path, "size=4k,nr_inodes=2,mode=555").map_err(at("mount", &*path))?;
        seal(&path).map_err(at("make read-only", &*path))?;
    }
    for path in those_there(&FIXED) {
        put(&clone_tree(&path, Access::Read)?, &path)?;
    }
    let whole = clone_tree(Path::new(PROC), Access::Write)?;
    // The kernel counts a copy of a tree as a mount namespace.
    limits::limit_stock(&settings)?;
    Ok(whole)
}

/// Those of the names that this kernel has.
fn those_there(names: &[&str]) -> impl Iterator<Item = PathBuf> {
    names.iter().map(|name| Path::new(PROC).join(name)).filter(|path| path.exists())
}

fn put(tree: &OwnedFd, path: &Path) -> Result<(), SetupError> {
    let path = path.to_string_lossy();
    attach(tree, CWD, &path).map_err(at("mount", &*path))
}
