//! What a process cannot do: rlimits, capabilities, descriptors. And the one network interface.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use types::Limits;

use super::error::{SetupError, at};
use crate::plan::Users;

/// What agentd needs to run commands as another user and to end them.
const AGENTD: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

/// Enough for programs that keep secrets out of swap.
const MEMLOCK_BYTES: u64 = 1 << 20;

/// Signals and timers that may wait at once. Few programs queue any.
const PENDING_SIGNALS: u64 = 4096;

/// No core dumps. 1 is too little for a file, and the kernel takes it for "no program gets it either"
/// where `kernel.core_pattern` names one, which it would start as the host's root (`core(5)`).
const NO_CORE: u64 = 1;

/// What each user may take of the kernel's own stock, by the files in `/proc/sys/user`. Tools that
/// watch a source tree get by with it; no namespace and no fanotify group can be made inside, should
/// the system call filter have a hole.
const STOCK: [(&str, &str); 11] = [
    ("max_inotify_instances", "64"),
    ("max_inotify_watches", "8192"),
    ("max_fanotify_groups", "0"),
    ("max_cgroup_namespaces", "0"),
    ("max_ipc_namespaces", "0"),
    ("max_mnt_namespaces", "0"),
    ("max_net_namespaces", "0"),
    ("max_pid_namespaces", "0"),
    ("max_time_namespaces", "0"),
    ("max_user_namespaces", "0"),
    ("max_uts_namespaces", "0"),
];

/// Limits each user of the namespace, by way of an open `/proc/sys/user` that can be written.
pub(super) fn limit_stock(settings: &OwnedFd) -> Result<(), SetupError> {
    for (name, most) in STOCK {
        let file =
            rustix::fs::openat(settings, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let written = match file {
            // This kernel does not have it.
            Err(Errno::NOENT) => continue,
            file => {
                file.map_err(io::Error::from).and_then(|f| File::from(f).write_all(most.as_bytes()))
            }
        };
        written.map_err(at("limit", name))?;
    }
    Ok(())
}

/// Lets [`set_rlimits`] set what is more than this process may have, if that may be: otherwise a sandbox
/// gets as much as this process. Of open files, the engine's report tells where that is too little.
pub(super) fn allow(limits: &Limits) {
    for (resource, wanted) in
        [(Resource::Nofile, limits.open_files.into()), (Resource::Core, NO_CORE)]
    {
        let ours = getrlimit(resource);
        if ours.maximum.is_some_and(|hard| hard < wanted) {
            let _ = setrlimit(resource, Rlimit { maximum: Some(wanted), ..ours });
        }
    }
}

/// Sets the limits of every process inside; no one raises them again.
pub(super) fn set_rlimits(limits: &Limits) -> Result<(), SetupError> {
    let wanted = [
        (Resource::Nofile, limits.open_files.into()),
        (Resource::Fsize, limits.file_bytes),
        // In a user namespace this counts the sandbox's own processes only.
        (Resource::Nproc, limits.processes.into()),
        (Resource::Memlock, MEMLOCK_BYTES),
        (Resource::Sigpending, PENDING_SIGNALS),
        (Resource::Core, NO_CORE),
        (Resource::Msgqueue, 0),
    ];
    for (resource, wanted) in wanted {
        // Only the host's root may raise a hard limit, and that this process is no longer; see
        // `allow`.
        let most = getrlimit(resource).maximum.map_or(wanted, |hard| hard.min(wanted));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(at("limit", format!("{resource:?}")))?;
    }
    Ok(())
}

/// Leaves agentd what it needs where it has a user of its own, and nothing otherwise.
pub(super) fn drop_capabilities(users: Users) -> Result<(), SetupError> {
    let keep = match users {
        Users::Separate { .. } => AGENTD,
        Users::Shared { .. } => CapabilitySet::empty(),
    };
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if keep.contains(one) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(one) {
            // Past the last capability this kernel knows.
            Err(Errno::INVAL) => break,
            other => other.map_err(at("drop", format!("capability {bit}")))?,
        }
    }
    let sets =
        CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(at("drop", "capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(at("forbid", "new privileges"))
}

/// What whoever started the server ignores (`nohup`, a script's `&`), a job does not: a shell cannot
/// even trap what was ignored when it began.
pub(super) fn ignore_no_signal() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action is no code of ours. What cannot be set (SIGKILL) is refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Whatever the orchestrator left open is closed when agentd starts.
pub(super) fn close_on_exec() -> Result<(), SetupError> {
    let flag = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: with this flag the call closes nothing now; it takes and keeps no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, flag) };
    if result == 0 { Ok(()) } else { Err(at("close", "descriptors")(io::Error::last_os_error())) }
}

/// Brings up `lo`, the only interface there is.
pub(super) fn raise_loopback() -> Result<(), SetupError> {
    let socket = UnixDatagram::unbound().map_err(at("make", "a socket"))?;
    // SAFETY: `ifreq` is plain numbers; all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the flags are below 0x80")]
    let up = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(at("raise", "lo")(io::Error::last_os_error())) }
}
