//! Workspaces made to get at what is not theirs, or to bring the orchestrator down.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::Bench;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::thread::CapabilitySet;
use serde_json::json;

const SECRET: &[u8] = b"the orchestrator's secret";

#[test]
fn links_are_listed_and_never_followed() {
    let bench = Bench::new();
    fs::write(bench.outside().join("secret"), SECRET).unwrap();
    let link = |target: &str, name: &str| symlink(target, bench.workspace().join(name)).unwrap();
    link("/etc/shadow", "shadow");
    link("../secret", "up");
    link("..", "outside");
    link(".", "self");
    link("b", "a");
    link("a", "b");
    link("nowhere", "dangling");
    bench.file("real", "1");

    let opened = bench.pack();

    assert_eq!(opened.names(), ["real"]);
    assert_eq!(opened.packed.left_out, 0);
    assert_eq!(
        opened.manifest["links"],
        json!([
            { "path": "a", "target": "b" },
            { "path": "b", "target": "a" },
            { "path": "dangling", "target": "nowhere" },
            { "path": "outside", "target": ".." },
            { "path": "self", "target": "." },
            { "path": "shadow", "target": "/etc/shadow" },
            { "path": "up", "target": "../secret" },
        ])
    );
}

#[test]
fn many_links_are_counted() {
    let bench = Bench::new();
    for n in 0..1_200 {
        symlink("x", bench.workspace().join(format!("{n:04}"))).unwrap();
    }
    let opened = bench.pack();
    assert_eq!(opened.manifest["links"].as_array().unwrap().len(), 1_000);
    assert_eq!((opened.packed.left_out, opened.why("1199")), (200, "too_many_files"));
}

#[test]
fn what_is_no_file_is_skipped() {
    let bench = Bench::new();
    let make = |name: &str, kind, device| {
        let path = bench.workspace().join(name);
        rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o666), device).unwrap();
    };
    make("fifo", FileType::Fifo, 0);
    // The one device an ordinary user may make: 0:0, which overlay file systems use.
    make("device", FileType::CharacterDevice, 0);
    let _listener = UnixListener::bind(bench.workspace().join("socket")).unwrap();

    let opened = bench.pack();

    assert_eq!(opened.names(), [""; 0]);
    for kind in ["fifo", "device", "socket"] {
        assert_eq!(opened.why(kind), kind);
    }
}

#[test]
fn large_files_are_skipped_at_once() {
    let mut bench = Bench::new();
    File::create(bench.workspace().join("sparse")).unwrap().set_len(10 << 30).unwrap();
    bench.file("a", [1; 600]);
    bench.file("b", [2; 600]);
    bench.file("c", [3; 400]);
    bench.options.max_total_bytes = 1000;

    let started = Instant::now();
    let opened = bench.pack();

    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(opened.names(), ["a", "c"]);
    assert_eq!((opened.why("sparse"), opened.why("b")), ("too_large", "total_too_large"));
}

#[test]
#[ignore = "compresses 4 GiB: minutes unless built with --release"]
fn a_file_over_4_gib_is_packed_as_zip64() {
    let mut bench = Bench::new();
    let size = (4 << 30) + 1;
    File::create(bench.workspace().join("sparse")).unwrap().set_len(size).unwrap();
    (bench.options.max_file_bytes, bench.options.max_total_bytes) = (u64::MAX, u64::MAX);
    assert_eq!(bench.try_pack(Vec::new()).unwrap().files, 1);

    let mut zip = zip::ZipArchive::new(File::open(bench.target()).unwrap()).unwrap();
    assert_eq!(zip.by_name("sparse").unwrap().size(), size);
    let tested = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(bench.target()).output();
    let tested = tested.expect("python3 reads the ZIP in this test: install it");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

#[test]
fn only_so_many_files_are_packed() {
    let mut bench = Bench::new();
    fs::create_dir(bench.workspace().join("many")).unwrap();
    for n in 0..20_000 {
        fs::write(bench.workspace().join(format!("many/{n:05}")), "x").unwrap();
    }
    bench.file("zuletzt", "a directory takes its share before what is in it");
    bench.options.max_files = 3_000;

    let opened = bench.pack();

    assert_eq!((opened.packed.files, opened.packed.left_out), (2_999, 17_002));
    assert_eq!(opened.names()[2_997..], ["many/02997", "zuletzt"]);
    assert_eq!(opened.why("many/02998"), "too_many_files");
    assert_eq!(opened.manifest["left_out"].as_array().unwrap().len(), 1_000);
    assert_eq!(opened.manifest["left_out_more"], 16_002);
}

#[test]
#[ignore = "makes 100,000 files: half a minute unless built with --release"]
fn a_hundred_thousand_files_in_fifty_levels_are_packed() {
    let bench = Bench::new();
    let mut folder = bench.workspace();
    for level in 0..50 {
        folder = folder.join("d");
        fs::create_dir(&folder).unwrap();
        // With the directories on the way not more entries than are looked at.
        for n in 0..if level == 49 { 1_950 } else { 2_000 } {
            fs::write(folder.join(format!("{n:05}")), "x").unwrap();
        }
    }
    let began = Instant::now();
    let opened = bench.pack();
    println!("{} files in {:?}", opened.packed.files, began.elapsed());
    assert_eq!((opened.packed.files, opened.packed.left_out), (99_950, 0));
    let deepest = format!("{}00000", "d/".repeat(50));
    assert_eq!(opened.entries[&deepest], b"x");
    let began = Instant::now();
    let zipped = artifacts::Zipped::open(&bench.target()).unwrap();
    zipped.read(&deepest.parse().unwrap()).unwrap();
    println!("one of them out of the ZIP in {:?}", began.elapsed());
}

#[test]
fn deep_directories_end_somewhere() {
    let bench = Bench::new();
    bench.file("d/shallow", "1");
    dig(&bench.workspace(), 5_000);

    let opened = bench.pack();
    // The standard library holds a descriptor per level and cannot remove such a tree.
    assert!(Command::new("rm").arg("-rf").arg(bench.workspace()).status().unwrap().success());

    assert_eq!(opened.names(), ["d/shallow"]);
    let cut = ["d"; 100].join("/");
    assert_eq!((opened.why(&cut), opened.packed.left_out), ("too_deep", 1));
}

#[test]
fn paths_longer_than_the_kernel_opens_end_too() {
    let bench = Bench::new();
    let name = "n".repeat(250);
    dig_named(&bench.workspace(), &name, 20);
    let opened = bench.pack();
    // 16 names and the slashes between them are the last that fit in PATH_MAX (4096).
    assert_eq!(opened.why(&vec![name; 17].join("/")), "too_deep");
    assert_eq!(opened.packed.left_out, 1);
}

fn dig(from: &Path, levels: u32) {
    dig_named(from, "d", levels);
}

/// Makes directories within one another, deeper than a path could name.
fn dig_named(from: &Path, name: &str, levels: u32) {
    let flags = OFlags::DIRECTORY;
    let mut at = rustix::fs::open(from, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        match rustix::fs::mkdirat(&at, name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => panic!("{errno}"),
        }
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).unwrap();
    }
}

#[test]
fn what_cannot_be_read_is_listed() {
    // Root reads everything by these two; a thread has capabilities of its own.
    let mut own = rustix::thread::capabilities(None).unwrap();
    own.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    rustix::thread::set_capabilities(None, own).unwrap();
    let bench = Bench::new();
    bench.file("readable", "1");
    let closed = [bench.file("closed", "2"), bench.file("folder/file", "3")];
    let folder = closed[1].parent().unwrap();
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&closed[0], 0);
    allow(folder, 0);

    let opened = bench.pack();
    allow(folder, 0o700);

    assert_eq!(opened.names(), ["readable"]);
    assert_eq!((opened.why("closed"), opened.why("folder")), ("unreadable", "unreadable"));
}

/// Swaps a file and a directory for links to the outside, over and over, while they are packed.
#[test]
fn nothing_from_outside_gets_in_by_swapping() {
    let bench = Bench::new();
    fs::create_dir(bench.outside().join("private")).unwrap();
    fs::write(bench.outside().join("private/data"), SECRET).unwrap();
    bench.file("file", "harmless");
    bench.file("folder/data", "harmless");
    symlink("../private/data", bench.workspace().join("link")).unwrap();
    symlink("../private", bench.workspace().join("folder-link")).unwrap();
    let path = |name: &str| bench.workspace().join(name);
    let swap = |one: &str, other: &str| {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(CWD, path(one), CWD, path(other), flags).unwrap();
    };

    let done = AtomicBool::new(false);
    let (mut packed, mut met) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap("file", "link");
                swap("folder", "folder-link");
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        // Until the swapping has hit between looking and opening.
        while packed < 50 || met == 0 && Instant::now() < deadline {
            let opened = bench.pack();
            packed += 1;
            met += u32::from(opened.packed.left_out > 0);
            if opened.entries.values().any(|bytes| bytes == SECRET) {
                done.store(true, Ordering::Relaxed);
                panic!("packed from outside: {:?}", opened.manifest);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(met > 0, "the swapping never hit in {packed} attempts");
}

#[test]
fn a_file_that_grows_is_cut_where_it_was() {
    let bench = Bench::new();
    let path = bench.file("log", vec![b'x'; 1 << 20]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = File::options().append(true).open(path).unwrap();
            while !done.load(Ordering::Relaxed) {
                log.write_all(&[b'y'; 4096]).unwrap();
            }
        });
        let packed = std::panic::catch_unwind(|| bench.pack());
        done.store(true, Ordering::Relaxed);
        let opened = packed.unwrap();
        let listed = opened.manifest["files"][0]["bytes"].as_u64().unwrap();
        assert_eq!(listed, opened.entries["log"].len() as u64);
    });
}
