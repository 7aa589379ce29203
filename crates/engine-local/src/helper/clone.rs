//! `clone3`, which no library we use offers.
#![expect(unsafe_code, reason = "a system call without a safe wrapper")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

/// Which side of the clone this is.
pub(super) enum Side {
    /// The helper, with the new process.
    Parent { pid: Pid, pidfd: OwnedFd },
    /// PID 1 of new namespaces of every kind but time.
    Child,
}

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Copies this process into new namespaces. It must have one thread: the copy gets only that one,
/// and could wait for ever for a lock that another one held.
pub(super) fn into_new_namespaces() -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    // SAFETY: `clone_args` is plain numbers; all zero is its defined default.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from((NAMESPACES | libc::CLONE_PIDFD).cast_unsigned());
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM and with no stack given, this is a fork: the child gets a copy of
    // all memory. The arguments and `pidfd`, which the kernel writes, outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match i32::try_from(result) {
        Ok(0) => Ok(Side::Child),
        Ok(raw) if raw > 0 => {
            let pid = Pid::from_raw(raw).ok_or_else(|| io::Error::other("clone3 gave no pid"))?;
            // SAFETY: on success the kernel put a new descriptor there that is nobody else's.
            Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
        }
        _ => Err(io::Error::last_os_error()),
    }
}
