//! Mount system calls with the flags every mount of a sandbox has.
#![expect(unsafe_code, reason = "`mount_setattr` has no safe wrapper")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags};

use super::error::{SetupError, at};

/// What may be done with a part of the host. Set-uid bits never count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and execute.
    Read,
    /// Read, write and execute.
    Write,
    /// Use as a device.
    Device,
}

/// A detached copy of the tree at this path, with restricted access and cut off from mounts that
/// come and go on the host.
pub(super) fn clone_tree(path: &Path, access: Access) -> Result<OwnedFd, SetupError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree =
        rustix::mount::open_tree(CWD, path, flags).map_err(at("open", path.to_string_lossy()))?;
    let set = match access {
        Access::Read => libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV,
        Access::Write => libc::MOUNT_ATTR_NODEV,
        Access::Device => libc::MOUNT_ATTR_NOEXEC,
    };
    let set = set | libc::MOUNT_ATTR_NOSUID;
    set_attributes(&tree, MountAttr { set, clear: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 })
        .map_err(at("restrict", path.to_string_lossy()))?;
    Ok(tree)
}

/// Shows the files of a detached tree as belonging to those that their owners are in a user namespace.
pub(super) fn map_owners(tree: &OwnedFd, namespace: &File) -> io::Result<()> {
    let userns_fd = u64::from(namespace.as_raw_fd().cast_unsigned());
    let set = libc::MOUNT_ATTR_IDMAP;
    set_attributes(tree, MountAttr { set, clear: 0, propagation: 0, userns_fd })
}

/// Mounts a detached tree on this name in a directory, or on an open file if the name is empty. No
/// link is followed at the end of it.
pub(super) fn attach(tree: &OwnedFd, to: impl AsFd, name: &str) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, "", to, name, flags)
}

/// Mounts a new file system of the kernel's own. `devpts` alone has devices.
pub(super) fn mount_new(kind: &str, target: &str, options: &str) -> Result<(), Errno> {
    let nodev = if kind == "devpts" { MountFlags::NOEXEC } else { MountFlags::NODEV };
    let noexec = if kind == "proc" { MountFlags::NOEXEC } else { MountFlags::empty() };
    let data = CString::new(options).map_err(|_| Errno::INVAL)?;
    rustix::mount::mount(kind, target, kind, MountFlags::NOSUID | nodev | noexec, data.as_c_str())
}

/// Makes a mounted tmpfs read-only, but not what is mounted in it.
pub(super) fn seal(path: &str) -> Result<(), Errno> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(path, flags, "")
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

fn set_attributes(tree: &OwnedFd, attr: MountAttr) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, `attr` has the layout and the size we name; both outlive the
    // call, which keeps neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
