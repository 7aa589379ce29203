//! What goes into the ZIP, and how.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::Bench;
use artifacts::{Extra, PackError, Source};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

#[test]
fn files_directories_and_modes() {
    let bench = Bench::new();
    bench.file("fib.py", "print(1)");
    let script = bench.file("bin/run.sh", "#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o4700)).unwrap();
    bench.file("empty.txt", "");
    fs::create_dir(bench.workspace().join("leer")).unwrap();

    let opened = bench.pack();

    assert_eq!(opened.names(), ["bin/run.sh", "empty.txt", "fib.py", "leer/"]);
    assert_eq!(opened.entries["fib.py"], b"print(1)");
    assert_eq!((opened.packed.files, opened.packed.left_out), (3, 0));
    assert!(opened.records["manifest.json"].ends_with(b"}\n"), "a line like any other");
    assert_eq!(opened.packed.zip_bytes, fs::metadata(bench.target()).unwrap().len());
    assert_eq!(
        opened.manifest,
        json!({
            "version": 1,
            "job": { "job_id": "test" },
            "files": [
                { "path": "bin/run.sh", "bytes": 10, "mode": "0755",
                  "sha256": "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf" },
                { "path": "empty.txt", "bytes": 0, "mode": "0644",
                  "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "path": "fib.py", "bytes": 8, "mode": "0644",
                  "sha256": "d287bb7f9d15abdc5b6e98536263815744b6ef21c8f3c839fc434ca70d8efe99" },
            ],
            "extras": [], "links": [], "left_out": [], "left_out_more": 0, "escaped": [],
        })
    );
    let mut zip = zip::ZipArchive::new(fs::File::open(bench.target()).unwrap()).unwrap();
    assert_eq!(zip.by_name("bin/run.sh").unwrap().unix_mode(), Some(0o100_755));
    assert_eq!(zip.by_name("fib.py").unwrap().unix_mode(), Some(0o100_644));
    assert_eq!(zip.by_name("leer/").unwrap().unix_mode(), Some(0o040_755));
}

#[test]
fn python_reads_it() {
    let bench = Bench::new();
    bench.file("größe/日本 🦀.md", "ü".repeat(100_000));
    bench.file("a\nb\\c", "x");
    bench.pack();

    let test = |arguments: &[&str]| {
        let ran = Command::new("python3").args(arguments).arg(bench.target()).output();
        let ran = ran.expect("python3 reads the ZIP in this test: install it");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    assert!(test(&["-m", "zipfile", "-t"]).contains("Done testing"));
    let names = "import sys, zipfile; print(ascii(zipfile.ZipFile(sys.argv[1]).namelist()))";
    let listed = test(&["-c", names]);
    assert!(listed.contains(r"'a%0Ab%5Cc', 'gr\xf6\xdfe/\u65e5\u672c \U0001f980.md'"), "{listed}");
}

#[test]
fn unsafe_names_are_escaped_and_noted() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let raw = b"caf\xe9\n\\..\\x";
    fs::write(bench.workspace().join(std::ffi::OsStr::from_bytes(raw)), "1").unwrap();
    bench.file("caf%E9", "2");
    bench.file("C:/x", "3");

    let opened = bench.pack();

    assert_eq!(opened.names(), ["C%3A/x", "caf%25E9", "caf%E9%0A%5C..%5Cx"]);
    let noted = opened.manifest["escaped"].as_array().unwrap();
    assert_eq!(noted.len(), 3);
    assert!(noted.contains(&json!({
        "name": "caf%E9%0A%5C..%5Cx", "original_base64": BASE64_STANDARD.encode(raw),
    })));
}

#[test]
fn caches_are_left_out_unless_wanted() {
    let mut bench = Bench::new();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# made by cargo";
    bench.file("app/node_modules/left-pad/index.js", "");
    bench.file("__pycache__/a.pyc", "");
    bench.file("env/pyvenv.cfg", "");
    bench.file("target/CACHEDIR.TAG", tag);
    bench.file("target/debug/app", "");
    bench.file("no-cache/CACHEDIR.TAG", "not a signature");
    bench.file("src/node_modules", "a file, not a directory");
    bench.file("pyvenv.cfg", "the root is no cache, whatever it holds");

    let opened = bench.pack();

    assert_eq!(opened.names(), ["no-cache/CACHEDIR.TAG", "pyvenv.cfg", "src/node_modules"]);
    for cache in ["app/node_modules", "__pycache__", "env", "target"] {
        assert_eq!(opened.why(cache), "cache");
    }
    assert_eq!(opened.packed.left_out, 4);

    bench.options.include_caches = true;
    let opened = bench.pack();
    assert_eq!((opened.packed.files, opened.packed.left_out), (8, 0));
}

#[test]
fn extras_are_beneath_cagent() {
    let bench = Bench::new();
    // Some file systems take the others for the first.
    let taken_for_ours = [".cagent", ".cagent.", ".Cagent ", ".c\u{200c}agent"];
    for name in taken_for_ours {
        bench.file(&format!("{name}/manifest.json"), "forged");
    }
    bench.file("sub/.cagent/kept", "only the root's is reserved");
    fs::write(bench.outside().join("stdout.log"), "hello\n").unwrap();
    let file = |name, path: &str| Extra { name, source: Source::File(bench.outside().join(path)) };

    let opened = bench.pack_with(vec![
        Extra { name: "runbook.md", source: Source::Bytes(b"# Run".to_vec()) },
        file("stdout.log", "stdout.log"),
        file("stderr.log", "not-there"),
    ]);

    assert_eq!(opened.names(), ["sub/.cagent/kept"]);
    for name in taken_for_ours {
        assert_eq!(opened.why(name), "reserved", "{name:?}");
    }
    assert_eq!(opened.records["runbook.md"], b"# Run");
    assert_eq!(opened.records["stdout.log"], b"hello\n");
    assert_eq!(opened.records["stderr.log"], b"");
    assert_eq!(opened.manifest["extras"][1]["path"], ".cagent/stdout.log");
    assert_eq!(opened.packed.files, 1);
}

#[test]
fn an_unreadable_extra_is_an_error() {
    let bench = Bench::new();
    let extra = Extra { name: "stdout.log", source: Source::File(bench.outside().into()) };
    let error = bench.try_pack(vec![extra]).unwrap_err();
    assert!(matches!(error, PackError::Extra { name: "stdout.log", .. }), "{error}");
    assert_eq!(fs::read_dir(bench.target().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_missing_workspace_is_an_empty_result() {
    let bench = Bench::new();
    fs::remove_dir(bench.workspace()).unwrap();
    let opened = bench.pack();
    assert_eq!(opened.names(), [""; 0]);
    assert_eq!(opened.why("."), "missing");
}

#[test]
fn a_workspace_that_is_no_directory_is_an_error() {
    let bench = Bench::new();
    fs::remove_dir(bench.workspace()).unwrap();
    fs::write(bench.workspace(), "").unwrap();
    let error = bench.try_pack(Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Workspace { .. }), "{error}");
}

#[test]
fn the_same_workspace_gives_the_same_zip() {
    let zips = ["b/2 a a.txt b/1", "a b/1 b/2 a.txt"].map(|order| {
        let bench = Bench::new();
        for name in order.split(' ') {
            let file = fs::File::options().append(true).open(bench.file(name, name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
        }
        bench.pack();
        fs::read(bench.target()).unwrap()
    });
    assert!(zips[0] == zips[1], "the order in which files are made shows in the ZIP");
}

#[test]
fn times_are_kept_and_clamped() {
    let bench = Bench::new();
    for (name, seconds) in [("now", 1_700_000_000), ("old", 1), ("late", 1 << 33)] {
        let file = fs::File::options().append(true).open(bench.file(name, "")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
    bench.pack();
    let mut zip = zip::ZipArchive::new(fs::File::open(bench.target()).unwrap()).unwrap();
    let mut time = |name| zip.by_name(name).unwrap().last_modified().unwrap().to_string();
    assert_eq!(time("now"), "2023-11-14 22:13:20");
    assert_eq!(time("old"), "1980-01-01 00:00:00");
    assert_eq!(time("late"), "2107-12-31 23:59:58");
}

#[test]
fn nothing_is_left_over_on_failure() {
    let bench = Bench::new();
    bench.file("a", "1");
    let results = bench.target().parent().unwrap().to_path_buf();

    // A target that cannot be replaced fails last, when everything is written.
    fs::create_dir_all(bench.target().join("full")).unwrap();
    let error = bench.try_pack(Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Write { .. }), "{error}");
    assert_eq!(fs::read_dir(&results).unwrap().count(), 1, "the target itself");

    // A directory that is not there fails first.
    fs::remove_dir_all(&results).unwrap();
    let error = bench.try_pack(Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Write { .. }), "{error}");
}

#[test]
fn what_a_killed_call_left_is_used_again() {
    let bench = Bench::new();
    bench.file("a", "1");
    fs::write(bench.target(), "the ZIP before").unwrap();
    fs::write(bench.target().with_file_name(".output.zip.part"), vec![7; 100_000]).unwrap();
    assert_eq!(bench.pack().names(), ["a"]);
    assert_eq!(fs::read_dir(bench.target().parent().unwrap()).unwrap().count(), 1);
}
