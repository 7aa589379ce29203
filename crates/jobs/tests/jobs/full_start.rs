//! Jobs that begin while the disk is full, or would be by what they begin with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Engine, FakeEngine, SandboxSpec};
use jobs::{Config, Folders, Jobs, ScheduleError, ScheduleRequest};
use protocol::{Client, ReportKind, Verdict};
use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use types::{EventKind, JobId, JobStatus, Limits};

use crate::full_disk::{OWN, fill, held_in, mount, run_with_own_mounts, say, unmount};
use crate::support::{HELLO, PATIENCE, Setup, config, obey_later, request, scripted, started};

const MIB: u64 = 1024 * 1024;

#[test]
fn inputs_wait_until_they_fit() {
    run_with_own_mounts("full_start::with_inputs");
}

#[test]
fn inputs_that_fit_only_once_are_refused() {
    run_with_own_mounts("full_start::with_inputs_too_large");
}

#[test]
fn many_inputs_wait_until_there_is_room_for_their_names() {
    run_with_own_mounts("full_start::with_many_inputs");
}

#[test]
fn a_hello_waits_until_there_is_room() {
    run_with_own_mounts("full_start::says_hello");
}

#[tokio::test]
#[ignore = "run by inputs_wait_until_they_fit, where it can mount"]
async fn with_inputs() {
    assert!(std::env::var_os(OWN).is_some(), "run inputs_wait_until_they_fit instead");
    let (setup, small) = on_one_disk("96m", 8 * MIB).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = with_files(&setup.jobs, 1, 32 * MIB).await;
    // What an earlier orchestrator left half made.
    let spec = SandboxSpec { job: waiting, limits: Limits::default(), image: None };
    setup.engine.create(&spec).await.unwrap();
    let workspace = setup.engine.workspace(waiting).await.unwrap();
    fs::write(workspace.path().join("half"), vec![7; 8 << 20]).unwrap();
    drop(workspace);

    let neighbour = File::create(small.join("neighbour")).unwrap();
    fallocate(&neighbour, FallocateFlags::empty(), 0, free(&small) - 16 * MIB).unwrap();
    until_it_waits(&setup, running, waiting).await;
    assert!(free(&small) > 20 * MIB, "what is gone holds nothing");
    neighbour.set_len(neighbour.metadata().unwrap().len() - 20 * MIB).unwrap();
    has_begun_with(&setup, waiting, 1, 32 * MIB).await;
    setup.jobs.stop().await;
    unmount_both(&setup, &small);
}

#[tokio::test]
#[ignore = "run by inputs_that_fit_only_once_are_refused, where it can mount"]
async fn with_inputs_too_large() {
    assert!(std::env::var_os(OWN).is_some(), "run inputs_that_fit_only_once_are_refused instead");
    let (setup, small) = on_one_disk("96m", 8 * MIB).await;
    let taken = with_files(&setup.jobs, 1, 16 * MIB).await;
    has_begun_with(&setup, taken, 1, 16 * MIB).await;
    let refused = try_with_files(&setup.jobs, 1, 32 * MIB).await;
    assert!(matches!(refused, Err(ScheduleError::NoRoom(_))), "{refused:?}");
    setup.jobs.stop().await;
    unmount_both(&setup, &small);
}

/// That the disk is full is not known before they are copied, nor after what was copied is gone.
#[tokio::test]
#[ignore = "run by many_inputs_wait_until_there_is_room_for_their_names, where it can mount"]
async fn with_many_inputs() {
    let runner = "run many_inputs_wait_until_there_is_room_for_their_names instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let (setup, small) = on_one_disk("96m,nr_inodes=256", 0).await;
    let running = setup.schedule().await;
    setup.until(running, started).await;
    let waiting = with_files(&setup.jobs, 60, 1).await;
    let neighbour = small.join("neighbour");
    fs::create_dir(&neighbour).unwrap();
    let full = |n: &usize| File::create(neighbour.join(n.to_string())).is_ok();
    let files = (0..).take_while(full).count();
    (0..30).for_each(|n| fs::remove_file(neighbour.join(n.to_string())).unwrap());
    assert!(files > 30);
    until_it_waits(&setup, running, waiting).await;
    fs::remove_dir_all(neighbour).unwrap();
    has_begun_with(&setup, waiting, 60, 1).await;
    setup.jobs.stop().await;
    unmount_both(&setup, &small);
}

/// The test speaks for the agent.
#[tokio::test]
#[ignore = "run by a_hello_waits_until_there_is_room, where it can mount"]
async fn says_hello() {
    assert!(std::env::var_os(OWN).is_some(), "run a_hello_waits_until_there_is_room instead");
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    mount(&data, "64m");
    let (begun, mut gateways) = mpsc::unbounded_channel();
    let begin = move |_, gateway: PathBuf| {
        begun.send(gateway).unwrap();
        tokio::spawn(std::future::pending())
    };
    let engine = Arc::new(FakeEngine::with_agent(Arc::new(begin)).unwrap());
    let folders = Folders::claim(&data, &home.path().join("output")).unwrap();
    let jobs = Jobs::open(folders, config(1), vec![engine.clone()]).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let job = setup.schedule().await;
    let mut agent = Client::new(gateways.recv().await.unwrap().join(protocol::SOCKET_NAME));

    let (whole, neighbour) = (held_in(&data), data.join("neighbour"));
    assert!(whole > 0);
    fill(&neighbour);
    assert!(agent.hello("test").await.unwrap_err().is_passing());
    assert_eq!(held_in(&data), whole, "it takes nothing of what is held");
    fs::remove_file(neighbour).unwrap();
    agent.hello("test").await.unwrap();
    say(&mut agent, 1, ReportKind::Finished(Verdict::Complete)).await.unwrap();
    assert_eq!(setup.end(job).await.0.status, JobStatus::Complete);
    setup.jobs.stop().await;
    unmount(&data);
}

/// Data, results and workspaces on a disk like this; where that is.
async fn on_one_disk(size: &str, reserve_bytes: u64) -> (Setup, PathBuf) {
    let home = TempDir::new().unwrap();
    let small = home.path().join("small");
    fs::create_dir(&small).unwrap();
    mount(&small, size);
    let engine = Arc::new(FakeEngine::with_agent(scripted(obey_later)).unwrap());
    bind(&small, &sandboxes(&engine));
    let folders = Folders::claim(&small.join("data"), &small.join("output")).unwrap();
    let config = Config { reserve_bytes, ..config(1) };
    let jobs = Jobs::open(folders, config, vec![engine.clone()]).await.unwrap();
    (Setup { home, engine, jobs }, small)
}

fn sandboxes(engine: &FakeEngine) -> PathBuf {
    engine.gateway_dir(JobId::generate()).ancestors().nth(2).unwrap().into()
}

fn unmount_both(setup: &Setup, small: &Path) {
    unmount(&sandboxes(&setup.engine));
    unmount(small);
}

async fn with_files(jobs: &Jobs, files: usize, bytes: u64) -> JobId {
    try_with_files(jobs, files, bytes).await.unwrap()
}

async fn try_with_files(jobs: &Jobs, files: usize, bytes: u64) -> Result<JobId, ScheduleError> {
    let staging = jobs.stage().await.unwrap();
    for n in 0..files {
        let mut writer = staging.file(&format!("{n}.bin").parse().unwrap()).await.unwrap();
        writer.write(Bytes::from(vec![7; bytes.try_into().unwrap()])).await.unwrap();
        writer.finish().await.unwrap();
    }
    let inputs = Some(staging.finish());
    jobs.schedule(ScheduleRequest { inputs, ..request(HELLO) }).await
}

/// Ends the job that has the slot; the next one has no room.
async fn until_it_waits(setup: &Setup, running: JobId, waiting: JobId) {
    setup.jobs.cancel(running).await.unwrap();
    setup.end(running).await;
    let waits = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.contains("waits for room"));
    setup.until(waiting, waits).await;
    let gone = async {
        while setup.sandboxes().await != 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("what is half made is gone");
}

async fn has_begun_with(setup: &Setup, job: JobId, files: usize, bytes: u64) {
    setup.until(job, started).await;
    let workspace = setup.engine.workspace(job).await.unwrap();
    let sizes = fs::read_dir(workspace.path()).unwrap();
    let sizes: Vec<u64> = sizes.map(|file| file.unwrap().metadata().unwrap().len()).collect();
    assert_eq!(sizes, vec![bytes; files]);
}

fn bind(what: &Path, at: &Path) {
    let bound = Command::new("mount").arg("--bind").args([what, at]).status().unwrap();
    assert!(bound.success());
}

fn free(at: &Path) -> u64 {
    let known = rustix::fs::statvfs(at).unwrap();
    known.f_bavail * known.f_frsize
}
