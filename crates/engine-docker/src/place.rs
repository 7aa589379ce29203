//! Places one entry of an archive in a directory, or leaves it out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tar::{Entry, EntryType};

/// What of a file is written or, if there is nothing but zeros in it, left a hole.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// How many bytes it took, none if there was no place for it; nothing if it is more than there is room
/// for. Errors are of the disk or the archive, not of this entry.
pub(crate) fn place(
    entry: &mut Entry<'_, impl Read>,
    root: BorrowedFd<'_>,
    top: Option<&Path>,
    room: u64,
) -> io::Result<Option<u64>> {
    let Some(top) = top else { return Ok(Some(0)) };
    let Some(path) = beneath(&entry.path()?, top) else { return Ok(Some(0)) };
    match make(entry, root, &path, top, room) {
        Err(e) if is_without_place(&e) => Ok(Some(0)),
        made => made,
    }
}

/// Whether an entry does not fit to those before it, or to any directory of this machine.
fn is_without_place(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(errno) => [
            Errno::EXIST,
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::LOOP,
            Errno::XDEV,
            Errno::NAMETOOLONG,
        ]
        .contains(&errno),
        None => error.kind() == io::ErrorKind::InvalidData,
    }
}

/// A path of an archive whose topmost directory has this name; none for that directory itself and for
/// what leads elsewhere.
fn beneath(path: &Path, top: &Path) -> Option<PathBuf> {
    let rest = plain(path)?.strip_prefix(top).ok()?.to_owned();
    (!rest.as_os_str().is_empty()).then_some(rest)
}

/// The same without what means nothing; none if it leads upwards.
pub(crate) fn plain(path: &Path) -> Option<PathBuf> {
    let named = |part: &Component<'_>| !matches!(part, Component::CurDir | Component::RootDir);
    let parts = path.components().filter(named);
    parts.map(|part| matches!(part, Component::Normal(_)).then_some(part)).collect()
}

fn make(
    entry: &mut Entry<'_, impl Read>,
    root: BorrowedFd<'_>,
    path: &Path,
    top: &Path,
    room: u64,
) -> io::Result<Option<u64>> {
    let Some(name) = path.file_name() else { return Ok(Some(0)) };
    let dir = parent(root, path)?;
    let mode = Mode::from_raw_mode(entry.header().mode().unwrap_or(0o600) & 0o777 | 0o600);
    match entry.header().entry_type() {
        EntryType::Directory => match rustix::fs::mkdirat(&dir, name, mode | Mode::XUSR) {
            Err(e) if e != Errno::EXIST => return Err(e.into()),
            _ => {}
        },
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let flags =
                OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&dir, name, flags, mode)?;
            let written = write(entry, &mut File::from(file), room)?;
            if written.is_none() {
                rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
            }
            return Ok(written);
        }
        EntryType::Symlink => {
            let to = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?;
            rustix::fs::symlinkat(&*to, &dir, name)?;
        }
        EntryType::Link => {
            let to = entry
                .link_name()?
                .and_then(|to| beneath(&to, top))
                .ok_or(io::ErrorKind::InvalidData)?;
            let target = to.file_name().ok_or(io::ErrorKind::InvalidData)?;
            let from = parent(root, &to)?;
            rustix::fs::linkat(&from, target, &dir, name, AtFlags::empty())?;
        }
        _ => {}
    }
    Ok(Some(0))
}

/// Writes a file with holes where there are only zeros: the archive has none where the job may have
/// left them. How many bytes that took; nothing if there is no room for them.
fn write(from: &mut impl Read, to: &mut File, room: u64) -> io::Result<Option<u64>> {
    let (mut block, mut size, mut written) = ([0; BLOCK_BYTES], 0, 0);
    loop {
        let read = read_block(from, &mut block)?;
        if read == 0 {
            to.set_len(size)?;
            return Ok(Some(written));
        }
        size += read as u64;
        if block[..read].iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(size))?;
            continue;
        }
        written += read as u64;
        if written > room {
            return Ok(None);
        }
        to.write_all(&block[..read])?;
    }
}

/// As much as there is for one block.
fn read_block(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The directory an entry belongs into, which came before it.
fn parent(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(root, dir, flags, Mode::empty(), resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_an_entry_leaves_it_out() {
        for errno in [Errno::EXIST, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG] {
            assert!(is_without_place(&errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::IO, Errno::ROFS, Errno::NOSPC] {
            assert!(!is_without_place(&errno.into()), "{errno}");
        }
        assert!(is_without_place(&io::ErrorKind::InvalidData.into()));
        assert!(!is_without_place(&io::ErrorKind::UnexpectedEof.into()));
    }
}
