//! The file system of a sandbox: a small read-only tmpfs with the host's `/usr`, or an agent image
//! (`layers`), and a few places of its own mounted in. Runs in the child, but for [`Sources::open`].
//!
//! An image is hostile: from the moment its tree is there all names are resolved within it.

use std::fs::{File, create_dir_all};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::error::{SetupError, at};
use super::mount_calls::{Access, attach, clone_tree, mount_new};
use super::{etc_files, layers, limits};
use crate::folder;
use crate::inside;
use crate::plan::Plan;

/// All that a sandbox sees of the host.
pub(super) struct Sources {
    places: Vec<Source>,
    /// The image that is its root file system, if it has one.
    pub(super) image: Option<OwnedFd>,
    /// Its disk, if that has more than the workspace.
    disk: Option<OwnedFd>,
}

/// A detached copy of a part of the host's tree, and where in the sandbox it goes (relative).
pub(super) struct Source {
    tree: OwnedFd,
    target: PathBuf,
}

/// Any directory that is there for certain: the new root hides it for the few moments before it
/// takes the place of the old one, and only in this namespace.
const SCAFFOLD: &str = "/usr";

/// Devices that only compute; and `tty`, which is each process's own terminal, none if it has none.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

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

impl Sources {
    /// Opens every part of the host that the sandbox sees. Its disk is this mount, if there is one.
    pub(super) fn open(plan: &Plan, mount: Option<OwnedFd>) -> Result<Self, SetupError> {
        let image =
            plan.root.as_ref().map(|root| clone_tree(&root.tree, Access::Read)).transpose()?;
        let mut places = vec![
            Source::open(&plan.tools, protocol::TOOLS, Access::Read)?,
            Source::open(Path::new(folder::GATEWAY), inside::GATEWAY, Access::Read)?,
        ];
        for device in DEVICES {
            let path = format!("/dev/{device}");
            places.push(Source::open(Path::new(&path), &path, Access::Device)?);
        }
        if let Some(bundle) = &plan.ca_bundle {
            places.push(Source::open(bundle, protocol::CA_BUNDLE, Access::Read)?);
        }
        if image.is_none() {
            places.extend(of_the_host(plan)?);
        }
        let mut disk = None;
        match mount {
            Some(tree) if image.is_some() => disk = Some(tree),
            Some(tree) => places.push(Source { tree, target: relative(protocol::WORKSPACE) }),
            None => places.push(workspace_in(Path::new(folder::WORKSPACE))?),
        }
        Ok(Self { places, image, disk })
    }
}

impl Source {
    fn open(from: &Path, target: &str, access: Access) -> Result<Self, SetupError> {
        Ok(Self { tree: clone_tree(from, access)?, target: relative(target) })
    }
}

/// What takes the place of an image.
fn of_the_host(plan: &Plan) -> Result<Vec<Source>, SetupError> {
    let shared = shared_etc();
    let all = [PathBuf::from("/usr")].into_iter().chain(shared).chain(plan.expose.iter().cloned());
    all.map(|path| Source::open(&path, &path.to_string_lossy(), Access::Read)).collect()
}

pub(super) fn workspace_in(directory: &Path) -> Result<Source, SetupError> {
    Source::open(directory, protocol::WORKSPACE, Access::Write)
}

fn relative(target: &str) -> PathBuf {
    target.trim_start_matches('/').into()
}

/// Builds the new root and moves into it. The old one is gone after it.
pub(super) fn build_root(plan: &Plan, sources: Sources) -> Result<(), SetupError> {
    let Sources { mut places, image, disk } = sources;
    let own = image.is_none();
    mount_new("tmpfs", SCAFFOLD, "size=4m,nr_inodes=4k,mode=755")?;
    rustix::process::chdir(SCAFFOLD).map_err(at("enter", SCAFFOLD))?;
    match image {
        None => write_root()?,
        Some(image) => places.extend(layers::mount(&image, disk, plan.limits.memory_bytes / 2)?),
    }
    rustix::process::pivot_root(".", ".").map_err(at("move into", "the new root"))?;
    mount_own(plan)?;
    places.into_iter().try_for_each(place)?;
    mount_proc()?;
    finish_dev()?;
    leave_old_root()?;
    if own { seal("/") } else { Ok(()) }
}

/// What leads into the host's `/usr`, and an `/etc`.
fn write_root() -> Result<(), SetupError> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), name).map_err(at("link", name))?;
    }
    write_etc()
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
        attach(&clone_tree(Path::new("dev/null"), Access::Read)?, &path)?;
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

/// It lies on top of the new one, where the kernel wants to see its `/proc` before we get one. With it
/// gone, nothing leads out.
fn leave_old_root() -> Result<(), SetupError> {
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(at("unmount", "the old root"))?;
    rustix::process::chdir("/").map_err(at("enter", "/"))
}

/// Makes a mounted tmpfs read-only, but not what is mounted in it.
fn seal(path: &str) -> Result<(), SetupError> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(path, flags, "").map_err(at("make read-only", path))
}

pub(super) fn make_dir(path: &Path) -> Result<(), SetupError> {
    create_dir_all(path).map_err(at("create", path.to_string_lossy()))
}
