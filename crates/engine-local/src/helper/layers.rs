//! An agent image as a root file system: the image, which is never written, beneath what the sandbox
//! changes. That goes to the sandbox's disk, or is memory of the job where it has none of its own.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::process::Pid;

use super::error::{SetupError, at};
use super::mount_calls::{attach, map_owners, mount_new};
use super::mounts::{Source, make_dir, workspace_in};
use crate::inside::layers::{UPPER, WORK, WORKSPACE};

/// Places in the scaffold.
const IMAGE: &str = "image";
const DISK: &str = "disk";
const ROOT: &str = "root";

/// What root needs to show files of an image as those of a job's users. An ordinary user's are the
/// user's own.
const NEEDED: &str = "(as root it takes Linux 5.19 and a data directory on ext4, xfs or btrfs)";

/// Makes the owners that files of an image have, agentd and the job's user inside, those of this
/// sandbox: of its first process, which waits.
pub(super) fn map(image: &OwnedFd, pid: Pid) -> Result<(), SetupError> {
    let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
    let namespace = File::open(&path).map_err(at("open", path))?;
    map_owners(image, &namespace).map_err(at("use the image", NEEDED))
}

/// Mounts an image in the current directory and goes into it. Returns the workspace if that is on
/// this disk. What is changed without a disk is memory, of which it may take so many bytes.
pub(super) fn mount(
    image: &OwnedFd,
    disk: Option<OwnedFd>,
    most: u64,
) -> Result<Option<Source>, SetupError> {
    [IMAGE, DISK, ROOT].iter().try_for_each(|name| make_dir(Path::new(name)))?;
    attach(image, CWD, IMAGE).map_err(at("mount", IMAGE))?;
    let workspace = match disk {
        Some(disk) => {
            attach(&disk, CWD, DISK).map_err(at("mount", DISK))?;
            Some(workspace_in(&Path::new(DISK).join(WORKSPACE))?)
        }
        None => {
            mount_new("tmpfs", DISK, &format!("size={most},nr_inodes=200k,mode=700"))
                .map_err(at("mount", DISK))?;
            [UPPER, WORK].iter().try_for_each(|name| make_dir(&Path::new(DISK).join(name)))?;
            None
        }
    };
    // Nothing of it outlives a power cut, so nothing needs to be waited for.
    let options = format!(
        "lowerdir={IMAGE},upperdir={DISK}/{UPPER},workdir={DISK}/{WORK},userxattr,volatile"
    );
    mount_new("overlay", ROOT, &options).map_err(at("use the image", NEEDED))?;
    rustix::process::chdir(ROOT).map_err(at("enter", "the image"))?;
    Ok(workspace)
}
