//! Files read, written and listed one by one: in a workspace, and in the ZIP made from it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use artifacts::{AccessError, FileKind, Listing, Replaced, Tree, WorkspacePath, Zipped};
use rustix::fs::CWD;

use crate::support::Bench;

fn path(text: &str) -> WorkspacePath {
    text.parse().unwrap()
}

fn kinds(listing: &Listing) -> Vec<(&str, FileKind, u64)> {
    listing.entries.iter().map(|entry| (&*entry.name, entry.kind, entry.bytes)).collect()
}

impl Bench {
    fn open(&self) -> File {
        File::open(self.workspace()).unwrap()
    }

    fn zipped(&self) -> Zipped {
        Zipped::open(&self.target()).unwrap()
    }
}

fn write(tree: &Tree<'_>, name: &str, bytes: &[u8]) -> Result<Replaced, AccessError> {
    let new = tree.create(&path(name))?;
    new.file().write_all(bytes).unwrap();
    new.finish()
}

#[test]
fn a_zip_lists_and_gives_what_the_workspace_did() {
    let bench = Bench::new();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9\n");
    fs::write(bench.workspace().join(odd), "odd").unwrap();
    let long = "n".repeat(255);
    for name in ["a.txt", "d/e/f", "d/g", &long] {
        bench.file(name, name.repeat(1000));
    }
    fs::create_dir(bench.workspace().join("empty")).unwrap();
    fs::hard_link(bench.workspace().join("a.txt"), bench.workspace().join("hard")).unwrap();
    let packed = bench.pack();
    assert_eq!(packed.entries["hard"], packed.entries["a.txt"], "a file like any other");
    assert_eq!(packed.packed.left_out, 0);

    let workspace = bench.open();
    let tree = Tree::new(workspace.as_fd());
    for dir in [WorkspacePath::root(), path("d"), path("d/e"), path("empty")] {
        let (live, kept) = (tree.list(&dir, 100).unwrap(), bench.zipped().list(&dir, 100).unwrap());
        assert_eq!(kinds(&live), kinds(&kept), "{dir}");
        assert_eq!((live.more, kept.more), (0, 0));
    }
    for name in ["a.txt", "d/e/f", "caf%E9%0A", "hard", &long] {
        for skipped in [0, 2] {
            let read = |mut content: artifacts::Content| {
                let mut bytes = vec![];
                content.skip(skipped).unwrap();
                content.read_to_end(&mut bytes).unwrap();
                assert_eq!(content.bytes, bytes.len() as u64 + skipped);
                bytes
            };
            let live = read(tree.read(&path(name)).unwrap());
            assert_eq!(live, read(bench.zipped().read(&path(name)).unwrap()), "{name}");
            assert_eq!(live, packed.entries[name][skipped as usize..]);
        }
    }
    for (name, refused) in [("d", "NotAFile"), ("d/x", "NoSuchFile"), ("a.txt/x", "NoSuchFile")] {
        assert_eq!(format!("{:?}", tree.read(&path(name)).unwrap_err()), refused);
        assert_eq!(format!("{:?}", bench.zipped().read(&path(name)).unwrap_err()), refused);
    }
    for (name, refused) in [("a.txt", "NotADirectory"), ("no", "NoSuchFile")] {
        assert_eq!(format!("{:?}", tree.list(&path(name), 9).unwrap_err()), refused);
        assert_eq!(format!("{:?}", bench.zipped().list(&path(name), 9).unwrap_err()), refused);
    }
}

#[test]
fn a_long_list_is_cut() {
    let bench = Bench::new();
    for n in 0..30 {
        bench.file(&format!("{n:02}"), "");
    }
    bench.pack();
    let workspace = bench.open();
    let live = Tree::new(workspace.as_fd()).list(&WorkspacePath::root(), 20).unwrap();
    let kept = bench.zipped().list(&WorkspacePath::root(), 20).unwrap();
    for listing in [live, kept] {
        assert_eq!((listing.entries.len(), listing.more), (20, 10));
        assert_eq!(listing.entries[19].name, "19");
    }
}

#[test]
fn what_is_no_file_is_shown_and_not_opened() {
    let bench = Bench::new();
    symlink("/etc/passwd", bench.workspace().join("link")).unwrap();
    let fifo = bench.workspace().join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let workspace = bench.open();
    let tree = Tree::new(workspace.as_fd());
    let listing = tree.list(&WorkspacePath::root(), 9).unwrap();
    assert_eq!(kinds(&listing), [("fifo", FileKind::Other, 0), ("link", FileKind::Link, 0)]);
    for name in ["link", "fifo"] {
        assert!(matches!(tree.read(&path(name)), Err(AccessError::NotAFile)), "{name}");
    }
}

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let bench = Bench::new();
    let workspace = bench.open();
    let tree = Tree::new(workspace.as_fd());
    let new = tree.create(&path("d/file")).unwrap();
    new.file().write_all(b"half").unwrap();
    assert_eq!(tree.list(&path("d"), 9).unwrap(), Listing::default(), "not shown");
    let packed = bench.pack();
    assert_eq!(packed.names(), [""; 0], "not packed");
    assert_eq!(packed.packed.left_out, 1);
    drop(new);
    assert_eq!(fs::read_dir(bench.workspace().join("d")).unwrap().count(), 0, "nothing is left");

    assert_eq!(write(&tree, "d/file", b"one").unwrap(), Replaced::Nothing);
    assert_eq!(write(&tree, "d/file", b"second").unwrap(), Replaced::File(3));
    symlink("/etc/passwd", bench.workspace().join("link")).unwrap();
    assert_eq!(write(&tree, "link", b"mine").unwrap(), Replaced::Other);
    assert_eq!(fs::read(bench.workspace().join("link")).unwrap(), b"mine");
    let known = fs::symlink_metadata(bench.workspace().join("d/file")).unwrap();
    assert_eq!((known.mode() & 0o7777, known.len()), (0o644, 6));
    assert!(matches!(write(&tree, "d", b""), Err(AccessError::NotAFile)));
    assert!(matches!(write(&tree, "d/file/x", b""), Err(AccessError::NoSuchFile)));
}

#[test]
fn what_is_written_belongs_to_whom_the_workspace_does() {
    let bench = Bench::new();
    if rustix::process::geteuid().is_root() {
        // An ordinary user has one user to give files to, its own.
        std::os::unix::fs::chown(bench.workspace(), Some(4711), Some(4712)).unwrap();
    }
    let owner = fs::metadata(bench.workspace()).unwrap();
    let workspace = bench.open();
    write(&Tree::new(workspace.as_fd()), "a/b/c", b"x").unwrap();
    for name in ["a", "a/b", "a/b/c"] {
        let known = fs::metadata(bench.workspace().join(name)).unwrap();
        assert_eq!((known.uid(), known.gid()), (owner.uid(), owner.gid()), "{name}");
    }
}

#[test]
fn a_workspace_takes_over_every_file() {
    let (from, to) = (Bench::new(), Bench::new());
    for name in ["a", "node_modules/x", "d/e/f"] {
        from.file(name, name);
    }
    let odd = std::ffi::OsStr::from_bytes(b"\xff\n");
    fs::write(from.workspace().join(odd), "odd").unwrap();
    to.file("a", "older");
    let (source, target) = (from.open(), to.open());
    let unfinished = Tree::new(source.as_fd()).create(&path("late")).unwrap();
    Tree::new(target.as_fd()).take_over(&Tree::new(source.as_fd())).unwrap();
    drop(unfinished);
    for name in ["a", "node_modules/x", "d/e/f"] {
        assert_eq!(fs::read_to_string(to.workspace().join(name)).unwrap(), name);
    }
    assert_eq!(fs::read(to.workspace().join(odd)).unwrap(), b"odd");
    assert_eq!(fs::read_dir(to.workspace()).unwrap().count(), 4);
}

/// Swaps a directory for a link to the outside, over and over, while files are written into it.
#[test]
fn nothing_gets_out_by_swapping() {
    let bench = Bench::new();
    let outside = bench.outside().join("private");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(bench.workspace().join("folder")).unwrap();
    symlink("../private", bench.workspace().join("link")).unwrap();
    let at = |name: &str| bench.workspace().join(name);
    let workspace = bench.open();
    let tree = Tree::new(workspace.as_fd());
    let done = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            while !done.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, at("folder"), CWD, at("link"), flags).unwrap();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        while (written < 100 || refused < 100) && Instant::now() < deadline {
            match write(&tree, "folder/new/file", b"x") {
                Ok(_) => written += 1,
                Err(AccessError::NoSuchFile) => refused += 1,
                Err(e) => panic!("{e}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(written >= 100 && refused >= 100, "{written} written, {refused} refused");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
