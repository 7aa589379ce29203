//! The file system of a sandbox: a small read-only tmpfs with the host's `/usr`, or an agent image
//! (`layers`), and a few places of its own mounted in (`root`). Runs in the child, but for
//! [`Sources::open`].
//!
//! An image is hostile: no name of it is used before everything of the host is out of reach.

use std::fs::create_dir_all;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{MountPropagationFlags, UnmountFlags};

use super::error::{SetupError, at};
use super::mount_calls::{Access, clone_tree, mount_new};
use super::root::Root;
use super::{etc_files, layers, procfs};
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

/// Builds the new root, moves into it and leaves the old one; then places in it what is to be there.
pub(super) fn build_root(plan: &Plan, sources: Sources) -> Result<(), SetupError> {
    let Sources { mut places, image, disk } = sources;
    let own = image.is_none();
    mount_new("tmpfs", SCAFFOLD, "size=4m,nr_inodes=4k,mode=755")
        .map_err(at("mount", "the new root"))?;
    rustix::process::chdir(SCAFFOLD).map_err(at("enter", SCAFFOLD))?;
    match image {
        None => write_root()?,
        Some(image) => places.extend(layers::mount(&image, disk, plan.limits.memory_bytes / 2)?),
    }
    places.push(Source { tree: procfs::make()?, target: "proc".into() });
    leave_old_root()?;
    let root = Root::open()?;
    mount_own(&root, plan)?;
    places.iter().try_for_each(|place| root.place(&place.tree, &place.target))?;
    finish_dev(&root)?;
    if own {
        root.seal("")?;
    }
    rustix::process::chdir("/").map_err(at("enter", "/"))
}

/// Moves into the current directory. Until the old root is gone it lies on top of the new one, and a
/// name that leads up (`..`) beyond the new one is in it: of an image none is used before.
fn leave_old_root() -> Result<(), SetupError> {
    rustix::process::pivot_root(".", ".").map_err(at("move into", "the new root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(at("unmount", "the old root"))?;
    rustix::process::chdir("/").map_err(at("enter", "/"))
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

/// The sandbox's own places. What is in them is memory of the job.
fn mount_own(root: &Root, plan: &Plan) -> Result<(), SetupError> {
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
        root.mount("tmpfs", target.trim_start_matches('/'), &options)?;
    }
    root.directory(&relative(inside::STEPS)).map(drop)
}

fn finish_dev(root: &Root) -> Result<(), SetupError> {
    root.mount("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0600,max=64")?;
    let dev = root.directory(Path::new("dev"))?;
    for (to, name) in [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        rustix::fs::symlinkat(to, &dev, name).map_err(at("link", format!("/dev/{name}")))?;
    }
    root.seal("dev")
}

pub(super) fn make_dir(path: &Path) -> Result<(), SetupError> {
    create_dir_all(path).map_err(at("create", path.to_string_lossy()))
}
