//! Takes apart what the daemon sends of a job's files, which is as hostile as the job: what leads out
//! of the directory, through a link, or is no file, directory or link is left out.
//!
//! Invariant: nothing is made outside the directory, whatever the archive says; what is written is
//! bounded.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

/// What an entry takes on a disk beside its content.
const ENTRY_BYTES: u64 = 512;

/// What of a file is written or, if there is nothing but zeros in it, left a hole.
const BLOCK_BYTES: usize = 4096;

/// How many times larger than allowed files may look because of their holes, which are sent in full.
const HOLES: u64 = 16;

/// Bytes of what may be said of an entry before it: long names and attributes, which `tar` reads into
/// memory, whatever their length.
const DESCRIPTION_BYTES: u64 = 4 << 20;

/// The most entries that are looked at.
const MAX_ENTRIES: u64 = 2_000_000;

/// What there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Bytes of files that are there now, without holes.
    pub(crate) bytes: u64,
    /// Whether there was more than allowed, which is left out.
    pub(crate) full: bool,
}

/// Unpacks an archive of so many bytes, without the holes of files, whose first entry is the directory
/// that all others lie in, and whose name is left out: Docker calls it as it is called in the container, Podman `/`.
pub(crate) fn unpack(archive: impl Read, root: &Path, most: u64) -> io::Result<Unpacked> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    let mut done = Unpacked::default();
    let (mut entries, mut top) = (0, None);
    let (mut room, mut looks) = (most, most.saturating_mul(HOLES));
    let left = Cell::new(DESCRIPTION_BYTES);
    for entry in Archive::new(Bounded { archive, left: &left }).entries()? {
        let mut entry = entry?;
        entries += 1;
        let rests = (room.checked_sub(ENTRY_BYTES), looks.checked_sub(entry.size()));
        let (Some(rest), Some(look)) = rests else { return Ok(done.and_more()) };
        if entries > MAX_ENTRIES {
            return Ok(done.and_more());
        }
        (room, looks, top) = (rest, look, top.or(plain(&entry.path()?)));
        left.set(u64::MAX);
        let Some(bytes) = place(&mut entry, root.as_fd(), top.as_deref(), room)? else {
            return Ok(done.and_more());
        };
        room -= bytes;
        done.bytes += bytes;
        io::copy(&mut entry, &mut io::sink())?;
        left.set(DESCRIPTION_BYTES);
    }
    Ok(done)
}

impl Unpacked {
    fn and_more(self) -> Self {
        Self { full: true, ..self }
    }
}

/// Reads no more than is left.
struct Bounded<'a, R> {
    archive: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| {
            io::Error::other("what is said of one file is longer than any name and attributes are")
        })?);
        Ok(read)
    }
}

/// How many bytes it took, none if there was no place for it; nothing if it is more than there is room
/// for. Errors are of the disk or the archive, not of this entry.
fn place(
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
fn plain(path: &Path) -> Option<PathBuf> {
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
    use std::fs;

    use tar::{Builder, Header};

    use super::*;

    #[derive(Clone, Copy)]
    enum What<'a> {
        Dir,
        File(&'a [u8]),
        Symlink(&'a str),
        Link(&'a str),
        Device,
    }

    /// Raw names: a well-meaning writer refuses some of them.
    fn archive(entries: &[(&str, What<'_>)]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (name, what) in entries {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_mode(0o4755);
            header.set_size(0);
            let (kind, link, bytes): (_, &str, &[u8]) = match *what {
                What::Dir => (EntryType::Directory, "", b""),
                What::File(bytes) => (EntryType::Regular, "", bytes),
                What::Symlink(to) => (EntryType::Symlink, to, b""),
                What::Link(to) => (EntryType::Link, to, b""),
                What::Device => (EntryType::Block, "", b""),
            };
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            tar.append(&header, bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn unpacked(entries: &[(&str, What<'_>)], most: u64) -> (tempfile::TempDir, Unpacked) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        let done = unpack(&archive(entries)[..], &dir.path().join("in"), most).unwrap();
        (dir, done)
    }

    #[test]
    fn files_directories_and_links_arrive() {
        let entries = [
            ("workspace/", What::Dir),
            ("workspace/d/", What::Dir),
            ("workspace/d/f", What::File(b"hello")),
            ("workspace/l", What::Symlink("/etc/passwd")),
            ("workspace/h", What::Link("workspace/d/f")),
        ];
        let (dir, done) = unpacked(&entries, 1 << 20);
        let dir = dir.path().join("in");
        assert_eq!(done, Unpacked { bytes: 5, full: false });
        assert_eq!(fs::read(dir.join("d/f")).unwrap(), b"hello");
        assert_eq!(fs::read_link(dir.join("l")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(fs::read(dir.join("h")).unwrap(), b"hello");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(dir.join("d/f")).unwrap());
        assert_eq!(mode & 0o7000, 0, "no setuid");
    }

    #[test]
    fn the_topmost_directory_may_be_called_anything() {
        let entries = [("/", What::Dir), ("/f", What::File(b"1")), ("/h", What::Link("/f"))];
        let (dir, _) = unpacked(&entries, 1 << 20);
        assert_eq!(fs::read(dir.path().join("in/h")).unwrap(), b"1");
    }

    #[test]
    fn nothing_leads_out() {
        let out = What::File(b"out");
        let entries = [
            ("workspace/", What::Dir),
            ("workspace/../../a", out),
            ("/workspace/../b", out),
            ("../c", out),
            ("workspace/up", What::Symlink("..")),
            ("workspace/up/d", out),
            ("workspace/up/e/", What::Dir),
            ("workspace/up", out),
            ("workspace/dev", What::Device),
            ("workspace/h", What::Link("workspace/up/in")),
            ("workspace/k", What::Link("../../../etc/passwd")),
            ("workspace/good", What::File(b"1")),
        ];
        let (dir, _) = unpacked(&entries, 1 << 20);
        let outside: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(outside, ["in"]);
        let mut inside: Vec<_> =
            fs::read_dir(dir.path().join("in")).unwrap().map(|e| e.unwrap().file_name()).collect();
        inside.sort();
        assert_eq!(inside, ["good", "up"]);
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let big = vec![1; 3000];
        let entries = [("w/", What::Dir), ("w/a", What::File(&big)), ("w/b", What::File(&big))];
        let (dir, done) = unpacked(&entries, 5000);
        assert_eq!(done, Unpacked { bytes: 3000, full: true });
        assert!(dir.path().join("in/a").exists() && !dir.path().join("in/b").exists());
    }

    #[test]
    fn zeros_are_holes_and_only_the_rest_counts() {
        let mut holes = vec![0; 40 * BLOCK_BYTES + 7];
        holes[9 * BLOCK_BYTES + 5] = 1;
        let entries = [("w/", What::Dir), ("w/f", What::File(&holes)), ("w/e", What::File(b""))];
        let (dir, done) = unpacked(&entries, 3 * BLOCK_BYTES as u64);
        assert_eq!(done, Unpacked { bytes: BLOCK_BYTES as u64, full: false });
        let file = dir.path().join("in/f");
        assert_eq!(fs::read(&file).unwrap(), holes);
        let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&file).unwrap());
        assert!(blocks * 512 < holes.len() as u64 / 2, "{blocks} blocks on the disk");
    }

    #[test]
    fn what_looks_far_too_large_is_not_read_to_its_end() {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..3].copy_from_slice(b"w/f");
        header.set_entry_type(EntryType::Regular);
        header.set_size(1 << 50);
        header.set_cksum();
        let mut zeros = io::repeat(0).take(1 << 50);
        let dir = tempfile::tempdir().unwrap();
        let done = unpack(header.as_bytes().chain(&mut zeros), dir.path(), 1 << 20).unwrap();
        assert!(done.full && zeros.limit() > (1 << 50) - (1 << 20), "{done:?}");
    }

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

    #[test]
    fn what_is_said_of_a_file_has_a_bound() {
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(1 << 40);
            header.set_cksum();
            let mut zeros = io::repeat(0).take(1 << 40);
            let dir = tempfile::tempdir().unwrap();
            let archive = header.as_bytes().chain(&mut zeros);
            let error = unpack(archive, dir.path(), 1 << 50).unwrap_err();
            assert!(error.to_string().contains("longer than any name"), "{error}");
            assert!((1 << 40) - zeros.limit() < DESCRIPTION_BYTES + (1 << 20), "it stops reading");
        }
    }

    #[test]
    fn names_may_be_long() {
        let name = format!("w/{}", "n".repeat(200));
        let mut tar = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_data(&mut header, "w", io::empty()).unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_size(1);
        tar.append_data(&mut header, &name, &b"1"[..]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let done = unpack(&tar.into_inner().unwrap()[..], dir.path(), 1 << 20).unwrap();
        assert_eq!(done, Unpacked { bytes: 1, full: false });
        assert_eq!(fs::read(dir.path().join(&name[2..])).unwrap(), b"1");
    }
}
