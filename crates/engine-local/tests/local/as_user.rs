//! Runs everything but `as_root` again as a user without any rights.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::bed;

/// `nobody`, on every machine.
const USER: u32 = 65534;

#[test]
fn all_of_it_again_as_an_ordinary_user() {
    assert!(bed::is_root(), "run this as root: the tests start a second time as an ordinary user");
    let dir = tempfile::tempdir().unwrap();
    // The user may not be able to reach the build directory.
    let (program, helper) = (dir.path().join("tests"), dir.path().join("sandbox-helper"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::copy(bed::helper(), &helper).unwrap();
    chown(dir.path(), Some(USER), Some(USER)).unwrap();
    let status = Command::new(&program)
        .args(["--skip", "as_root", "--skip", "as_user"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", dir.path())
        .env(bed::HELPER_VARIABLE, &helper)
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}
