//! What layers do to what lies below them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use tar::EntryType;

use crate::bed::{Bed, Tar, header, is_root, saved};

fn lower() -> Vec<u8> {
    Tar::new()
        .dir("a/")
        .file("a/one", "1")
        .file("a/two", "2")
        .dir("a/deep/")
        .file("a/deep/x", "x")
        .dir("b/")
        .file("b/old", "old")
        .file("c", "a file")
        .symlink("bin", "usr/bin")
        .dir("d")
        .file("d/kept", "kept")
        .bytes()
}

#[test]
fn later_layers_hide_and_replace() {
    // The directory's new file comes before what says that the old ones are gone.
    let upper = Tar::new()
        .file("a/.wh.one", "")
        .file("a/.wh.deep", "")
        .file("b/new", "new")
        .file("b/.wh..wh..opq", "")
        .dir("c/")
        .file("c/in", "in")
        .file("d/more", "more")
        .file(".wh.never", "")
        .bytes();
    let bed = Bed::new();
    let root = bed.import(&saved(&["x:1"], &[lower(), upper])).unwrap().image.root;
    let list = |dir: &str| {
        let entries = fs::read_dir(root.join(dir)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(list("a"), ["two"]);
    assert_eq!(list("b"), ["new"]);
    assert_eq!(list("c"), ["in"]);
    assert_eq!(list("d"), ["kept", "more"]);
    assert_eq!(fs::read_link(root.join("bin")).unwrap().to_str(), Some("usr/bin"));
    assert!(list("").iter().all(|name| !name.starts_with(".wh.")), "{:?}", list(""));
}

#[test]
fn a_layer_may_replace_any_kind_by_any_other() {
    type Put = fn(Tar) -> Tar;
    let kinds: [Put; 4] = [
        |tar| tar.file("x", "file"),
        |tar| tar.dir("x").file("x/in", "in"),
        |tar| tar.symlink("x", "/etc"),
        |tar| tar.file("y", "linked").link("x", "y"),
    ];
    for first in kinds {
        for second in kinds {
            let layers = [first(Tar::new()).bytes(), second(Tar::new()).bytes()];
            let bed = Bed::new();
            let root = bed.import(&saved(&[], &layers)).unwrap().image.root;
            let only = Bed::new();
            let expected = only.import(&saved(&[], &[second(Tar::new()).bytes()])).unwrap();
            let kind =
                |root: &std::path::Path| fs::symlink_metadata(root.join("x")).unwrap().file_type();
            assert_eq!(kind(&root), kind(&expected.image.root));
        }
    }
}

#[test]
fn a_file_keeps_what_it_is_but_no_rights() {
    let mut program = header(EntryType::Regular, 0o6755);
    program.set_uid(1000);
    program.set_gid(42);
    let mut odd = header(EntryType::Regular, 0o000);
    odd.set_uid(u64::from(u32::MAX));
    let layer = Tar::new()
        .with(header(EntryType::Directory, 0o3777), "shared/", "", b"")
        .with(header(EntryType::Directory, 0o000), "closed", "", b"")
        .with(program, "shared/program", "", b"run")
        .with(odd, "odd", "", b"")
        .link("shared/other", "shared/program")
        .file("implied/way/file", "")
        .bytes();
    let bed = Bed::new();
    let imported = bed.import(&layer).unwrap();
    let meta = |name: &str| fs::metadata(imported.image.root.join(name)).unwrap();
    let mode = |name: &str| meta(name).permissions().mode() & 0o7777;
    assert_eq!(
        (mode("shared"), mode("closed"), mode("shared/program"), mode("odd"), mode("implied/way")),
        (0o1777, 0o700, 0o755, 0o400, 0o755)
    );
    assert_eq!(meta("shared/program").mtime(), 1_000_000_000);
    assert_eq!(meta("shared").mtime(), 1_000_000_000, "also of a directory that was filled later");
    assert_eq!(meta("shared/other").ino(), meta("shared/program").ino());
    let owner = |name: &str| (meta(name).uid(), meta(name).gid());
    if is_root() {
        assert_eq!((owner("shared/program"), owner("odd")), ((1000, 42), (65534, 0)));
    } else {
        let us = rustix::process::geteuid().as_raw();
        assert_eq!(meta("shared/program").uid(), us);
    }
    assert_eq!(imported.image.bytes, 3);
}

#[test]
fn what_a_sandbox_needs_is_there_and_devices_are_not() {
    let device = |kind| header(kind, 0o666);
    let layer = Tar::new()
        .with(device(EntryType::Char), "dev/null", "", b"")
        .with(device(EntryType::Block), "dev/sda", "", b"")
        .with(device(EntryType::Fifo), "pipe", "", b"")
        .file("etc/hosts", "")
        .file("etc/hostname", "mine\n")
        .symlink("tmp", "var/tmp")
        .symlink("home", "/nowhere")
        .bytes();
    let bed = Bed::new();
    let imported = bed.import(&layer).unwrap();
    let root = &imported.image.root;
    assert_eq!((imported.left_out, imported.entries), (3, 7));
    assert_eq!(fs::read_dir(root.join("dev")).unwrap().count(), 0);
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert!(read("etc/hosts").contains("127.0.0.1 localhost"));
    assert_eq!(read("etc/hostname"), "mine\n");
    for place in ["workspace", "opt/cagent", "proc", "run", "etc/ssl"] {
        assert!(root.join(place).is_dir(), "{place}");
    }
    assert!(root.join("tmp").is_symlink() && root.join("home").is_symlink());
}

#[test]
fn many_imports_of_one_name_at_once_all_succeed() {
    let bed = Bed::new();
    let archive = lower();
    std::thread::scope(|scope| {
        let imports: Vec<_> = (0..24).map(|_| scope.spawn(|| bed.import(&archive))).collect();
        for import in imports {
            import.join().unwrap().unwrap();
        }
    });
    let image = bed.images().list().unwrap().remove(0);
    assert_eq!(fs::read_to_string(image.root.join("a/one")).unwrap(), "1");
    assert_eq!(bed.left().len(), 2, "one name and one tree");
}

#[test]
fn a_directory_that_is_there_many_times_has_its_last_date() {
    let bed = Bed::new();
    let dated = |seconds| {
        let mut header = header(EntryType::Directory, 0o755);
        header.set_mtime(seconds);
        header
    };
    let tar =
        Tar::new().with(dated(1), "a/", "", b"").file("a/x", "x").with(dated(2), "./a", "", b"");
    let image = bed.import(&tar.bytes()).unwrap().image;
    assert_eq!(fs::metadata(image.root.join("a")).unwrap().mtime(), 2);
}
