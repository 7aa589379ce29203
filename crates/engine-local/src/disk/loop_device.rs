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

const CONTROL: &str = "/dev/loop-control";
const BLOCKS: &str = "/sys/block";

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
pub(super) struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// Finds the device that has this file behind it.
    pub(super) fn find(file: &File) -> io::Result<Option<Self>> {
        let wanted = file.metadata()?;
        for entry in std::fs::read_dir(BLOCKS)? {
            let entry = entry?;
            // Only of a device that has a file.
            if !entry.path().join("loop").exists() {
                continue;
            }
            let device = Path::new("/dev").join(entry.file_name());
            // In this order: once open, it can get no other file.
            let Ok(open) = File::open(&device) else { continue };
            if file_of(&open) == Some((wanted.dev(), wanted.ino())) {
                return Ok(Some(Self { path: device, _open: open }));
            }
        }
        Ok(None)
    }

    /// Puts a file behind a free device. The caller sees to it that no other device has it.
    pub(super) fn bind(file: &File) -> io::Result<Self> {
        let control = File::options().read(true).write(true).open(CONTROL);
        let control = control.map_err(|e| io::Error::new(e.kind(), format!("{CONTROL}: {e}")))?;
        for _ in 0..ATTEMPTS {
            let path = PathBuf::from(format!("/dev/loop{}", free(&control)?));
            let open = File::options().read(true).write(true).open(&path);
            let open = open.map_err(|e| io::Error::new(e.kind(), format!("{path:?}: {e}")))?;
            match configure(&open, file) {
                Err(e) if e.kind() == ErrorKind::ResourceBusy => {}
                // Some kernels mount nothing that somebody else could write.
                other => return other.and_then(|()| Ok(Self { _open: File::open(&path)?, path })),
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, "somebody takes every free loop device"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Number of a device that nobody uses, for this moment.
fn free(control: &File) -> io::Result<i32> {
    // SAFETY: takes no argument and returns a number.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    if number < 0 { Err(io::Error::last_os_error()) } else { Ok(number) }
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
