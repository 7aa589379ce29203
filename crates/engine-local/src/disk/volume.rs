//! An image, mounted nowhere: reachable only by the descriptors that are open on it.
#![expect(unsafe_code, reason = "an ioctl without a safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::loop_device::LoopDevice;

/// `EXT4_IOC_SHUTDOWN`, and its `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing is written.
const SHUTDOWN: libc::c_ulong = 0x8004_587d;
static WITHOUT_WRITING: u32 = 2;

/// From how many bytes on it pays not to write them. The kernel's log has a line for each shutdown.
const WORTH_IT: u64 = 16 << 20;

/// A mounted image. The kernel unmounts it and frees its device when the last descriptor is closed
/// and the last sandbox that has it is gone.
#[derive(Debug)]
pub(super) struct Volume {
    /// The mount itself, for the sandbox that gets it; empty once it did.
    pub(super) mount: Option<OwnedFd>,
    /// Its topmost directory.
    pub(super) root: OwnedFd,
}

impl Volume {
    /// Mounts an image once more, or for the first time. Two devices on one image would ruin it:
    /// so one that has it is used again, and others who attach it wait.
    pub(super) fn attach(image: &File, folder: &Path) -> io::Result<Self> {
        image.lock()?;
        let attached = match LoopDevice::find(image, folder)? {
            Some(device) => Self::mount(&device),
            None => Self::mount(&LoopDevice::bind(image, folder)?),
        };
        image.unlock()?;
        attached
    }

    /// Mounts an image that nobody else can know yet.
    pub(super) fn first(image: &File, folder: &Path) -> io::Result<Self> {
        let volume = Self::mount(&LoopDevice::bind(image, folder)?)?;
        rustix::fs::unlinkat(&volume.root, "lost+found", AtFlags::REMOVEDIR)?;
        Ok(volume)
    }

    /// Unmounts it without writing what the kernel has not written yet, unless that is little.
    pub(super) fn discard(self) {
        let used = rustix::fs::fstatvfs(&self.root);
        if used.is_ok_and(|stat| (stat.f_blocks - stat.f_bfree) * stat.f_frsize > WORTH_IT) {
            // If it fails it only takes longer.
            // SAFETY: reads one number, which outlives the call.
            unsafe { libc::ioctl(self.root.as_raw_fd(), SHUTDOWN, &raw const WITHOUT_WRITING) };
        }
    }

    fn mount(device: &LoopDevice) -> io::Result<Self> {
        let system = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&system, "source", device.path())?;
        // Nothing in it outlives a power cut, so nothing needs to be waited for.
        rustix::mount::fsconfig_set_flag(&system, "nobarrier")?;
        // The tables of a new image are zero already.
        rustix::mount::fsconfig_set_flag(&system, "noinit_itable")?;
        rustix::mount::fsconfig_set_string(&system, "errors", "continue")?;
        rustix::mount::fsconfig_create(&system)?;
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOATIME;
        let mount = rustix::mount::fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
        let root = open_directory(&mount, ".")?;
        Ok(Self { mount: Some(mount), root })
    }
}

/// Opens a directory in an open one; `.` is that once more. Never a link.
pub(super) fn open_directory(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}
