//! The file system of a sandbox: a small read-only tmpfs with the host's `/usr` and a few places
//! of its own mounted in. Runs in the child, but for [`open_sources`].

use std::fs::{File, create_dir_all};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::error::{SetupError, at};
use super::mount_calls::{Access, attach, clone_tree, mount_new};
use super::{etc_files, limits};
use crate::folder;
use crate::inside;
use crate::plan::Plan;

/// A detached copy of a part of the host's tree, and where in the sandbox it goes (relative).
pub(super) struct Source {
    tree: OwnedFd,
    target: PathBuf,
}

/// Any directory that is there for certain: the new root hides it for the few moments before it
/// takes the place of the old one, and only in this namespace.
const SCAFFOLD: &str = "/usr";

/// Devices that only compute.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// In `/proc`, hidden behind a device that does not open: how the host was booted, its memory, keys
/// and timers.
const PROC_HIDDEN: [&str; 6] =
    ["cmdline", "kcore", "keys", "latency_stats", "sysrq-trigger", "timer_list"];

/// In `/proc`, read-only: settings of the kernel.
const PROC_FIXED: [&str; 4] = ["bus", "fs", "irq", "sys"];

/// In `/proc`, hidden behind an empty directory: hardware.
const PROC_EMPTIED: [&str; 3] = ["acpi", "asound", "scsi"];

/// Keeps what happens in the host's tree and in ours apart.
pub(super) fn make_private() -> Result<(), SetupError> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).map_err(at("make private", "/"))
}

/// Opens every part of the host that the sandbox sees. The workspace is this mount, if there is one.
pub(super) fn open_sources(
    plan: &Plan,
    workspace: Option<OwnedFd>,
) -> Result<Vec<Source>, SetupError> {
    let needed = |from: &Path, target: &str, access| -> Result<Source, SetupError> {
        Ok(Source { tree: clone_tree(from, access)?, target: relative(target) })
    };
    let mut sources = vec![
        needed(Path::new("/usr"), "usr", Access::Read)?,
        needed(&plan.tools, protocol::TOOLS, Access::Read)?,
        needed(Path::new(folder::GATEWAY), inside::GATEWAY, Access::Read)?,
    ];
    sources.push(match workspace {
        Some(tree) => Source { tree, target: relative(protocol::WORKSPACE) },
        None => needed(Path::new(folder::WORKSPACE), protocol::WORKSPACE, Access::Write)?,
    });
    for device in DEVICES {
        let path = format!("/dev/{device}");
        sources.push(needed(Path::new(&path), &path, Access::Device)?);
    }
    for path in shared_etc() {
        sources.push(needed(&path, &path.to_string_lossy(), Access::Read)?);
    }
    if let Some(bundle) = &plan.ca_bundle {
        sources.push(needed(bundle, protocol::CA_BUNDLE, Access::Read)?);
    }
    for path in &plan.expose {
        sources.push(needed(path, &path.to_string_lossy(), Access::Read)?);
    }
    Ok(sources)
}

fn relative(target: &str) -> PathBuf {
    target.trim_start_matches('/').into()
}

/// Builds the new root and moves into it. The old one is gone after it.
pub(super) fn build_root(plan: &Plan, sources: Vec<Source>) -> Result<(), SetupError> {
    mount_new("tmpfs", SCAFFOLD, "size=4m,nr_inodes=4k,mode=755")?;
    rustix::process::chdir(SCAFFOLD).map_err(at("enter", SCAFFOLD))?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), name).map_err(at("link", name))?;
    }
    write_etc()?;
    mount_proc()?;
    mount_own(plan)?;
    sources.into_iter().try_for_each(place)?;
    finish_dev()?;
    enter_root()
}

/// What exists of the host's `/etc` and is wanted, but links: those are copied.
fn shared_etc() -> Vec<PathBuf> {
    wanted_etc().into_iter().filter(|path| path.exists() && !path.is_symlink()).collect()
}

fn wanted_etc() -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    let versioned = |name: &str| etc_files::SHARED_STARTS.iter().any(|s| name.starts_with(s));
    let entries = std::fs::read_dir(etc).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(versioned));
    let shared = etc_files::SHARED.iter().map(|name| etc.join(name));
    shared.chain(named.map(|entry| entry.path())).collect()
}

fn write_etc() -> Result<(), SetupError> {
    make_dir(Path::new("etc"))?;
    for (name, content) in etc_files::WRITTEN {
        let path = format!("etc/{name}");
        Path::new(&path).parent().map_or(Ok(()), make_dir)?;
        std::fs::write(&path, content).map_err(at("write", path))?;
    }
    for path in wanted_etc() {
        let Ok(leads_to) = std::fs::read_link(&path) else { continue };
        let name = path.strip_prefix("/").unwrap_or(&path);
        name.parent().map_or(Ok(()), make_dir)?;
        symlink(leads_to, name).map_err(at("link", name.to_string_lossy()))?;
    }
    Ok(())
}

fn mount_proc() -> Result<(), SetupError> {
    make_dir(Path::new("proc"))?;
    mount_new("proc", "proc", "")?;
    for path in in_proc(&PROC_HIDDEN) {
        attach(&clone_tree(Path::new("/dev/null"), Access::Read)?, &path)?;
    }
    for path in in_proc(&PROC_EMPTIED) {
        let path = path.to_string_lossy();
        mount_new("tmpfs", &path, "size=4k,nr_inodes=2,mode=555")?;
        seal(&path)?;
    }
    let fixed = in_proc(&PROC_FIXED).map(|path| Ok((clone_tree(&path, Access::Read)?, path)));
    let fixed = fixed.collect::<Result<Vec<_>, SetupError>>()?;
    // After the last copy of a tree, which the kernel counts as a mount namespace.
    limits::limit_stock(Path::new("proc"))?;
    fixed.iter().try_for_each(|(tree, path)| attach(tree, path))
}

/// Those of the names that this kernel has.
fn in_proc(names: &[&str]) -> impl Iterator<Item = PathBuf> {
    names.iter().map(|name| Path::new("proc").join(name)).filter(|path| path.exists())
}

/// The sandbox's own places. What is in them is memory of the job.
fn mount_own(plan: &Plan) -> Result<(), SetupError> {
    let half = plan.limits.memory_bytes / 2;
    let uid = protocol::COMMAND_ID;
    let many = "nr_inodes=200k";
    for (target, options) in [
        ("dev", "size=64k,nr_inodes=64,mode=755".to_string()),
        ("dev/shm", format!("size={half},{many},mode=1777")),
        ("tmp", format!("size={half},{many},mode=1777")),
        (inside::HOME, format!("size={half},{many},mode=700,uid={uid},gid={uid}")),
        ("run", "size=16m,nr_inodes=4k,mode=755".into()),
    ] {
        let target = target.trim_start_matches('/');
        make_dir(Path::new(target))?;
        mount_new("tmpfs", target, &options)?;
    }
    make_dir(Path::new(inside::STEPS.trim_start_matches('/')))
}

fn place(source: Source) -> Result<(), SetupError> {
    let stat = fstat(&source.tree).map_err(at("look at", source.target.to_string_lossy()))?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        make_dir(&source.target)?;
    } else {
        source.target.parent().map_or(Ok(()), make_dir)?;
        File::create(&source.target).map_err(at("create", source.target.to_string_lossy()))?;
    }
    attach(&source.tree, &source.target)
}

fn finish_dev() -> Result<(), SetupError> {
    make_dir(Path::new("dev/pts"))?;
    mount_new("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0600,max=64")?;
    for (to, name) in [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        symlink(to, Path::new("dev").join(name)).map_err(at("link", format!("/dev/{name}")))?;
    }
    seal("dev")
}

fn enter_root() -> Result<(), SetupError> {
    rustix::process::pivot_root(".", ".").map_err(at("move into", "the new root"))?;
    // The old root lies on top of the new one now; with it gone, nothing leads out.
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(at("unmount", "the old root"))?;
    rustix::process::chdir("/").map_err(at("enter", "/"))?;
    seal("/")
}

/// Makes a mounted tmpfs read-only, but not what is mounted in it.
fn seal(path: &str) -> Result<(), SetupError> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(path, flags, "").map_err(at("make read-only", path))
}

fn make_dir(path: &Path) -> Result<(), SetupError> {
    create_dir_all(path).map_err(at("create", path.to_string_lossy()))
}
