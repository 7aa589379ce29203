//! A disk that is really full: a small file system in a mount namespace of the test's own.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use engine::FakeEngine;
use jobs::{Folders, ForgetError, JobError, Jobs};
use tempfile::TempDir;
use types::{JobStatus, Reason};

use crate::support::{PATIENCE, Setup, config, obey, open, scripted, started, succeed};

/// Set where mounts are nobody else's.
const OWN: &str = "OWN_MOUNTS";

#[test]
fn a_result_waits_until_there_is_room() {
    run_with_own_mounts("full_disk::on_a_small_disk");
}

#[test]
fn a_job_is_deleted_though_the_disk_is_full() {
    run_with_own_mounts("full_disk::deleting_makes_room");
}

fn run_with_own_mounts(test: &str) {
    let mut own = Command::new("unshare");
    own.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        own.args(["--user", "--map-root-user"]);
    }
    own.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--ignored"]);
    own.env(OWN, "1");
    let ran = own.output().expect("`unshare` of util-linux: install it");
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(
        ran.status.success() && told.contains("1 passed"),
        "{told}\nthis test needs root, or namespaces for ordinary users: see `cagent doctor`"
    );
}

#[tokio::test]
#[ignore = "run by a_result_waits_until_there_is_room, where it can mount"]
async fn on_a_small_disk() {
    assert!(std::env::var_os(OWN).is_some(), "run a_result_waits_until_there_is_room instead");
    let home = TempDir::new().unwrap();
    let small = home.path().join("output");
    fs::create_dir(&small).unwrap();
    mount(&small, "1m");
    let folders = Folders::claim(&home.path().join("data"), &small).unwrap();
    let engine = Arc::new(FakeEngine::with_agent(scripted(obey)).unwrap());
    let jobs = Jobs::open(folders, config(1), vec![engine.clone()]).await.unwrap();
    let setup = Setup { home, engine, jobs };

    let job = setup.schedule().await;
    setup.until(job, started).await;
    let ballast = small.join("ballast");
    fill(&ballast);
    setup.jobs.cancel(job).await.unwrap();
    // Long enough for a first try.
    let record = setup.jobs.wait_until_over(job, Duration::from_secs(2)).await.unwrap();
    assert_eq!(record.status, JobStatus::Packaging);
    fs::remove_file(ballast).unwrap();
    let record = setup.jobs.wait_until_over(job, PATIENCE).await.unwrap();
    assert_eq!(record.status, JobStatus::Cancelled);
    assert_eq!(record.ending.unwrap().reason, Reason::Cancelled);
    assert!(record.zip_bytes.is_some());
    setup.jobs.stop().await;
    unmount(&small);
}

#[tokio::test]
#[ignore = "run by a_job_is_deleted_though_the_disk_is_full, where it can mount"]
async fn deleting_makes_room() {
    let runner = "run a_job_is_deleted_though_the_disk_is_full instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    mount(&data, "4m");
    let engine = Arc::new(FakeEngine::with_agent(scripted(succeed)).unwrap());
    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };

    let job = setup.schedule().await;
    setup.end(job).await;
    let ballast = data.join("ballast");
    fill(&ballast);
    // The record is on the full disk, the files are not: nothing can be done but to say so.
    match setup.jobs.forget(job).await {
        Err(ForgetError::Job(JobError::Store(e))) => assert!(e.is_disk_full(), "{e}"),
        other => panic!("{other:?}"),
    }
    assert!(!setup.jobs.zip_path(job).exists());
    let again = setup.jobs.clone();
    let again = tokio::spawn(async move { again.forget(job).await });
    fs::remove_file(ballast).unwrap();
    again.await.unwrap().unwrap();
    assert!(matches!(setup.jobs.get(job).await, Err(JobError::NotFound(_))));
    setup.jobs.stop().await;
    unmount(&data);
}

fn mount(at: &Path, size: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(at);
    assert!(mount.status().unwrap().success());
}

/// So that the temporary directory can go.
fn unmount(at: &Path) {
    assert!(Command::new("umount").arg("--lazy").arg(at).status().unwrap().success());
}

fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}
