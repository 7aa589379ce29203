use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::put;

/// Opens a file and sends it, or the number of the error, through standard input, which is a
/// socket.
pub(super) fn open(how: &str, root: &Path, path: &Path) -> io::Result<()> {
    let socket = io::stdin();
    let file = match how {
        // Not blocking: neither a FIFO nor a device must hold us up.
        "read" => follow(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY),
        "append" => append(root, path),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match file {
        Ok(file) => send(socket, 0, &[file.as_fd()]),
        Err(error) => send(socket, error.raw_os_error().unwrap_or(OTHER), &[]),
    }
}

/// What an error without a number is told as: `EINVAL`.
const OTHER: i32 = rustix::io::Errno::INVAL.raw_os_error();

fn follow(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())?)
}

fn append(root: &Path, path: &Path) -> io::Result<OwnedFd> {
    if path.starts_with(put::OWN) {
        put::reserve(root)?;
    }
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    put::open_beneath(root, path, flags, Mode::from_raw_mode(0o600))
        .map(File::into)
        .map_err(io::Error::from)
}

fn send(socket: impl AsFd, number: i32, files: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    let bytes = number.to_le_bytes();
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
