//! Takes apart what the daemon sends of a job's files, which is as hostile as the job: what leads out
//! of the directory, through a link, or is no file, directory or link is left out.
//!
//! Invariant: nothing is made outside the directory, whatever the archive says; what is written is
//! bounded.

use std::cell::Cell;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use tar::Archive;

use crate::place::{place, plain};

/// What an entry takes on a disk beside its content.
const ENTRY_BYTES: u64 = 512;

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

#[cfg(test)]
mod tests {
    use std::fs;

    use tar::{Builder, EntryType, Header};

    use super::*;
    use crate::place::BLOCK_BYTES;

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
