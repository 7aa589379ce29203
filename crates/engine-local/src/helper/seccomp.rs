//! Which system calls are refused: those that reach for the kernel itself, for other namespaces or
//! for old and rarely tested corners. A deny list, because a job may run any program; what counts
//! is that with no capabilities and no way to get any, the rest is what every user may do.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, sock_filter,
};

use super::error::SetupError;

/// Refused with EPERM, whatever the arguments.
const REFUSED: &[c_long] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Mounts, roots and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    // Large parts of the kernel that programs can do without.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // One stock for the whole machine (`fs.aio-max-nr`), which its databases need.
    libc::SYS_io_setup,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

/// The same, of calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Terminal requests that put words into another process's mouth (`TIOCSTI`, `TIOCLINUX`) or load
/// line disciplines (`TIOCSETD`). The kernel looks at 32 bits of the request only, and so do we.
const REFUSED_IOCTLS: [u64; 3] = [0x5412, 0x541c, 0x5423];

/// Calls whose first argument is a process, that must not be agentd: its user may be ours.
const SPARE_AGENTD: [c_long; 4] = [
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
];

/// Calls that take a kind and then an id of it, and the kind (`PRIO_USER` of `linux/resource.h`,
/// `IOPRIO_WHO_USER` of `linux/ioprio.h`) that is all of a user's processes, agentd among them.
const SPARE_AGENTD_OF_KIND: [(c_long, u64); 2] =
    [(libc::SYS_setpriority, 2), (libc::SYS_ioprio_set, 3)];

/// PID of agentd, inside.
const AGENTD: u64 = 1;

/// Bits of `clone` that make namespaces.
const NAMESPACE_BITS: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// The only kinds of socket there are inside; of netlink, see [`rules`].
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Calls with flags that ask for huge pages, which no memory limit counts: which argument, and the bit
/// (`MAP_HUGETLB`, `SHM_HUGETLB`, `MFD_HUGETLB`).
const HUGE_PAGES: [(c_long, u8, i32); 3] = [
    (libc::SYS_mmap, 3, libc::MAP_HUGETLB),
    (libc::SYS_shmget, 2, libc::SHM_HUGETLB),
    (libc::SYS_memfd_create, 1, libc::MFD_HUGETLB.cast_signed()),
];

/// `personality` with these only asks, or asks for what is so anyway.
const HARMLESS_PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// "Refused" with the number that means success.
const NOTHING_DONE: i32 = 0;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Applies the filters to this process and all it will start.
pub(super) fn apply() -> Result<(), SetupError> {
    let filters = [
        refuse(rules().map_err(seccompiler::Error::from)?, libc::EPERM)?,
        // Its flags are in memory, where no filter can look. A libc that is told the call does not
        // exist takes `clone`.
        refuse([(libc::SYS_clone3, vec![])].into(), libc::ENOSYS)?,
        refuse(core_limit().map_err(seccompiler::Error::from)?, NOTHING_DONE)?,
    ];
    filters.iter().try_for_each(|filter| apply_filter(filter))?;
    if cfg!(target_arch = "x86_64") {
        apply_filter(&refuse_x32())?;
    }
    Ok(())
}

fn rules() -> Result<Rules, BackendError> {
    let mut rules: Rules =
        REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, vec![])).collect();
    let clone = NAMESPACE_BITS.map(|bit| u64::from(bit.cast_unsigned()));
    let clone = clone.map(|bit| SeccompRule::new(vec![condition(0, MaskedEq(bit), bit)?]));
    rules.insert(libc::SYS_clone, clone.into_iter().collect::<Result<_, _>>()?);
    let ioctl = REFUSED_IOCTLS.map(|call| SeccompRule::new(vec![condition(1, Eq, call)?]));
    rules.insert(libc::SYS_ioctl, ioctl.into_iter().collect::<Result<_, _>>()?);
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_socketpair, vec![none_of(0, &[number(libc::AF_UNIX)])?]);
    rules.insert(libc::SYS_personality, vec![none_of(0, &HARMLESS_PERSONALITIES)?]);
    // Of oneself only: it takes any thread's id for its process's.
    rules.insert(libc::SYS_prlimit64, vec![none_of(0, &[0])?]);
    for (call, flags, bit) in HUGE_PAGES {
        let bit = number(bit);
        rules.insert(call, vec![SeccompRule::new(vec![condition(flags, MaskedEq(bit), bit)?])?]);
    }
    for call in SPARE_AGENTD {
        rules.insert(call, vec![SeccompRule::new(vec![condition(0, Eq, AGENTD)?])?]);
    }
    for (call, user) in SPARE_AGENTD_OF_KIND {
        let of_user = SeccompRule::new(vec![condition(0, Eq, user)?])?;
        let agentd = SeccompRule::new(vec![condition(1, Eq, AGENTD)?])?;
        rules.insert(call, vec![of_user, agentd]);
    }
    Ok(rules)
}

/// Whoever sets the size of its core dumps is told that it is done, and nothing is: `limits` says why it
/// has to stay. Programs with secrets ask for 0 and end if they do not get it.
fn core_limit() -> Result<Rules, BackendError> {
    let core = |argument| condition(argument, Eq, libc::RLIMIT_CORE.into());
    let sets = SeccompCondition::new(2, Qword, Ne, 0)?;
    Ok([
        (libc::SYS_setrlimit, vec![SeccompRule::new(vec![core(0)?])?]),
        (libc::SYS_prlimit64, vec![SeccompRule::new(vec![core(1)?, sets])?]),
    ]
    .into())
}

/// Node asks `NETLINK_ROUTE` for its interfaces; the other kinds of netlink configure the kernel.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let other_netlink = SeccompRule::new(vec![
        condition(0, Eq, number(libc::AF_NETLINK))?,
        condition(2, Ne, number(libc::NETLINK_ROUTE))?,
    ])?;
    Ok(vec![none_of(0, &FAMILIES.map(number))?, other_netlink])
}

fn none_of(argument: u8, values: &[u64]) -> Result<SeccompRule, BackendError> {
    let differs = values.iter().map(|value| condition(argument, Ne, *value));
    SeccompRule::new(differs.collect::<Result<_, _>>()?)
}

fn condition(
    argument: u8,
    operator: seccompiler::SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, operator, value)
}

fn number(raw: i32) -> u64 {
    u64::from(raw.cast_unsigned())
}

fn refuse(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let action = SeccompAction::Errno(errno.cast_unsigned());
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?)
}

/// The x32 calls share x86-64's architecture number but have other call numbers, which pass by
/// every rule above. `if number >= 0x4000_0000 { ENOSYS } else { allow }`, in the codes of
/// `linux/bpf_common.h`.
fn refuse_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, offset 0
    const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD_NUMBER, 0, 0, 0),
        step(JUMP_IF_AT_LEAST, 0, 1, X32_BIT),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
