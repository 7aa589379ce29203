//! Runs all of it again as a user without any rights.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::bed;

/// `nobody`, on every machine.
const USER: u32 = 65534;

#[test]
fn all_of_it_again_as_an_ordinary_user() {
    assert!(bed::is_root(), "run this as root: the tests start a second time as an ordinary user");
    let dir = tempfile::tempdir().unwrap();
    // The user may not be able to reach the build directory.
    let program = dir.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    chown(dir.path(), Some(USER), Some(USER)).unwrap();
    let status = Command::new(&program)
        .args(["--skip", "as_user"])
        .env("TMPDIR", dir.path())
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}
