//! Loop devices: files as block devices, and the ioctls of `linux/loop.h`.
//!
//! Every device made here is let go of by the kernel itself as soon as nobody has it open or
//! mounted, however we end.
#![expect(unsafe_code, reason = "ioctls without a safe wrapper")]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libc::c_ulong;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

const CONTROL: &str = "/dev/loop-control";
const BLOCKS: &str = "/sys/block";

/// The kernel's number for all loop devices.
const MAJOR: u32 = 7;

const LOOP_GET_STATUS64: c_ulong = 0x4c05;
const LOOP_CONFIGURE: c_ulong = 0x4c0a;
const LOOP_CTL_GET_FREE: c_ulong = 0x4c82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// How often to ask for another device if somebody else was faster.
const ATTEMPTS: u32 = 100;

/// `struct loop_info64`.
#[repr(C)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    file: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// A device with a file behind it. While this lives, the device stays that file's.
#[derive(Debug)]
pub(super) struct LoopDevice(File);

impl LoopDevice {
    /// Finds the device that has this file behind it.
    pub(super) fn find(file: &File, folder: &Path) -> io::Result<Option<Self>> {
        let wanted = file.metadata()?;
        for entry in std::fs::read_dir(BLOCKS)? {
            let entry = entry?;
            // Only of a device that has a file.
            if !entry.path().join("loop").exists() {
                continue;
            }
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("loop")?.parse().ok());
            // In this order: once open, it can get no other file.
            let Some(Ok(open)) = number.map(|n| open_device(n, folder, OFlags::RDONLY)) else {
                continue;
            };
            if file_of(&open) == Some((wanted.dev(), wanted.ino())) {
                return Ok(Some(Self(open)));
            }
        }
        Ok(None)
    }

    /// Puts a file behind a free device. The caller sees to it that no other device has it.
    pub(super) fn bind(file: &File, folder: &Path) -> io::Result<Self> {
        let control = File::options().read(true).write(true).open(CONTROL);
        let control = control.map_err(|e| io::Error::new(e.kind(), format!("{CONTROL}: {e}")))?;
        for _ in 0..ATTEMPTS {
            let number = free(&control)?;
            match configure(&open_device(number, folder, OFlags::RDWR)?, file) {
                Err(e) if e.kind() == ErrorKind::ResourceBusy => {}
                Err(e) => return Err(e),
                // Some kernels mount nothing that somebody else could write.
                Ok(()) => return open_device(number, folder, OFlags::RDONLY).map(Self),
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, "somebody takes every free loop device"))
    }

    /// As long as this lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

/// Opens a device, also one that was made since a container got its `/dev`: by a node of our own in
/// this folder, for a moment.
fn open_device(number: u32, folder: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC;
    let path = PathBuf::from(format!("/dev/loop{number}"));
    let open = match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            let node = folder.join(format!("loop{number}.{}", rustix::thread::gettid()));
            let device = rustix::fs::makedev(MAJOR, number);
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(CWD, &node, FileType::BlockDevice, mode, device).and_then(|()| {
                let open = rustix::fs::open(&node, flags, Mode::empty());
                rustix::fs::unlink(&node).and(open)
            })
        }
        other => other,
    };
    let told = |e: Errno| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    Ok(open.map_err(told)?.into())
}

/// Number of a device that nobody uses, for this moment.
fn free(control: &File) -> io::Result<u32> {
    // SAFETY: takes no argument and returns a number.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    u32::try_from(number).map_err(|_| io::Error::last_os_error())
}

fn configure(device: &File, file: &File) -> io::Result<()> {
    // SAFETY: `Config` is plain numbers; all zero is the default of each.
    let mut config: Config = unsafe { zeroed() };
    config.file = file.as_raw_fd().cast_unsigned();
    config.info.flags = LO_FLAGS_AUTOCLEAR;
    // SAFETY: reads one `loop_config`, which outlives the call and names an open file.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Device and inode of the file behind a loop device, if there is one.
fn file_of(device: &File) -> Option<(u64, u64)> {
    // SAFETY: `Info` is plain numbers; all zero is valid.
    let mut info: Info = unsafe { zeroed() };
    // SAFETY: writes one `loop_info64`, for which there is room.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) };
    (done == 0).then_some((info.device, info.inode))
}
