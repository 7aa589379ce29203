//! Beginning, end and what is left, whoever runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use engine::{Engine, EngineError, SandboxEnd, SandboxState};
use engine_local::LocalEngine;
use rustix::process::{Pid, Signal, kill_process};
use types::{JobId, Limits};

use crate::bed::{Bed, as_command, eventually, executable, is_root, processes_with};

const IDLE: &str = "exec sleep 86400";

/// An agentd that leaves a daemon and waits, and a word that is among the arguments of both.
fn marked() -> (String, String) {
    let number = JobId::generate().to_string().replace(|c: char| !c.is_ascii_digit(), "");
    let word = format!("86400.{number}");
    (format!("setsid sleep {word} &\nexec sleep {word}"), word)
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_suite() {
    engine::conformance::suite(&Bed::new(IDLE).engine).await;
}

#[tokio::test]
async fn the_exit_code_is_told() {
    let (ended, _) = Bed::new("exit 7").run(Limits::default()).await;
    assert_eq!(ended.end, SandboxEnd::Exited { code: 7 });
}

#[tokio::test]
async fn a_setup_error_names_the_call_and_leaves_nothing() {
    let bed = Bed::new("");
    let agentd = bed.config.tools.join("bin/agentd");
    fs::set_permissions(&agentd, fs::Permissions::from_mode(0o644)).unwrap();
    let job = bed.create(Limits::default()).await;
    let error = bed.engine.start(job).await.unwrap_err();
    assert!(matches!(error, EngineError::Setup { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("execute /opt/cagent/bin/agentd: Permission denied"), "{text}");
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Created)]);
    executable(&agentd, "#!/bin/sh\nexit 0\n");
    bed.engine.start(job).await.unwrap();
    assert_eq!(bed.wait(job).await.end, SandboxEnd::Exited { code: 0 });
}

#[tokio::test]
async fn a_second_start_is_refused_and_harms_nothing() {
    let bed = Bed::new(IDLE);
    let job = bed.start(Limits::default()).await;
    let error = bed.engine.start(job).await.unwrap_err();
    assert!(error.to_string().contains("helper.sock"), "{error}");
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Running)]);
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn nothing_survives_a_stop() {
    let (agentd, word) = marked();
    let bed = Bed::new(&agentd);
    let job = bed.start(Limits::default()).await;
    eventually("both run", || processes_with(&word).len() == 2).await;
    bed.engine.stop(job).await.unwrap();
    assert_eq!(processes_with(&word), [0; 0], "all is dead when stop returns");
    bed.engine.remove(job).await.unwrap();
    eventually("no helper", || processes_with(&job.to_string()).is_empty()).await;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&job.to_string()), "{mounts}");
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0, "no file is left");
}

#[tokio::test]
async fn nothing_survives_the_death_of_the_helper() {
    let (agentd, word) = marked();
    let bed = Bed::new(&agentd);
    let job = bed.start(Limits::default()).await;
    eventually("both run", || processes_with(&word).len() == 2).await;
    let helpers = processes_with(&job.to_string());
    assert_eq!(helpers.len(), 1);
    let helper = Pid::from_raw(helpers[0].try_into().unwrap()).unwrap();
    kill_process(helper, Signal::KILL).unwrap();
    assert_eq!(bed.wait(job).await.end, SandboxEnd::Lost);
    assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Ended)]);
    eventually("all is dead", || processes_with(&word).is_empty()).await;
    bed.engine.remove(job).await.unwrap();
    assert_eq!(bed.engine.list().await.unwrap(), []);
    let plan_was_here = bed.folder(job).exists();
    assert!(!plan_was_here, "no file is left");
}

#[tokio::test]
async fn a_helper_that_is_held_up_holds_up_no_stop() {
    let (agentd, word) = marked();
    let bed = Bed::new(&agentd);
    let job = bed.start(Limits::default()).await;
    eventually("both run", || processes_with(&word).len() == 2).await;
    let helper = processes_with(&job.to_string())[0].try_into().unwrap();
    kill_process(Pid::from_raw(helper).unwrap(), Signal::STOP).unwrap();
    let (ended, stopped) = tokio::join!(bed.wait(job), async {
        tokio::time::timeout(Duration::from_secs(15), bed.engine.stop(job)).await
    });
    stopped.expect("long before everybody lost patience").unwrap();
    assert_eq!(ended.end, SandboxEnd::Stopped);
    eventually("all is dead", || processes_with(&word).is_empty()).await;
    bed.engine.remove(job).await.unwrap();
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0, "no file is left");
}

#[tokio::test]
async fn an_interrupted_removal_is_finished_by_whoever_looks() {
    let bed = Bed::new(IDLE);
    let job = bed.create(Limits::default()).await;
    let interrupt = || {
        let marked = bed.config.home.join(format!(".removing-{job}"));
        fs::create_dir_all(marked.join("workspace/a")).unwrap();
    };
    bed.engine.remove(job).await.unwrap();
    interrupt();
    bed.engine.remove(job).await.unwrap();
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0);
    interrupt();
    bed.engine.list().await.unwrap();
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0);
}

/// In a process of its own: what it does to itself would be the other tests' trouble.
#[test]
fn too_many_open_files_are_not_the_end_of_a_sandbox() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::with_too_many_open_files", "--ignored"])
        .status()
        .unwrap();
    assert!(status.success(), "see above");
}

#[tokio::test]
#[ignore = "too_many_open_files_are_not_the_end_of_a_sandbox runs it"]
async fn with_too_many_open_files() {
    let script = "until [ -e /workspace/go ]; do sleep 0.02; done; exit 7";
    let bed = Bed::new(&format!("{} sh -c '{script}'", as_command()));
    let job = bed.start(Limits::default()).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    let go = fs::File::create(workspace.path().join("go.draft")).unwrap();
    let most = 64 + u64::try_from(fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit { current: Some(most), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut all = Vec::new();
    while let Ok(one) = go.try_clone() {
        all.push(one);
    }
    let (from, to) = (workspace.path().join("go.draft"), workspace.path().join("go"));
    let ((waited, removed), ()) =
        tokio::join!(async { (bed.wait(job).await, bed.engine.remove(job).await) }, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            fs::rename(from, to).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            all.clear();
        });
    assert_eq!(waited.end, SandboxEnd::Exited { code: 7 });
    removed.unwrap();
}

#[tokio::test]
async fn a_test_that_fails_leaves_nothing() {
    let (agentd, word) = marked();
    let bed = Bed::new(&agentd);
    let job = bed.start(Limits::default()).await;
    let cgroups = bed.cgroups(job);
    let folder = bed.folder(job);
    drop(bed);
    eventually("all is dead", || {
        processes_with(&word).is_empty() && processes_with(&job.to_string()).is_empty()
    })
    .await;
    assert!(!folder.exists());
    assert!(cgroups.iter().all(|cgroup| !cgroup.exists()), "{cgroups:?}");
}

#[tokio::test]
async fn another_orchestrator_finds_what_runs() {
    let bed = Bed::new(IDLE);
    let job = bed.start(Limits::default()).await;
    let later = LocalEngine::open(bed.config.clone()).unwrap();
    assert_eq!(later.list().await.unwrap(), [(job, SandboxState::Running)]);
    let (ended, stopped) = tokio::join!(later.wait(job), bed.engine.stop(job));
    stopped.unwrap();
    assert_eq!(ended.unwrap().end, SandboxEnd::Stopped);
    later.remove(job).await.unwrap();
}

#[tokio::test]
async fn many_at_once_do_not_meet() {
    let bed = Bed::new(IDLE);
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.push(bed.create(Limits::default()).await);
    }
    let starts: Vec<_> = jobs
        .iter()
        .map(|job| {
            let (engine, job) = (bed.engine.clone(), *job);
            tokio::spawn(async move { engine.start(job).await })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    assert_eq!(bed.engine.list().await.unwrap().len(), 10);
    for job in jobs {
        bed.engine.remove(job).await.unwrap();
    }
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0);
}

#[tokio::test]
async fn the_data_directory_may_be_deep_and_closed() {
    let bed = Bed::with("exit 3", |config| {
        let deep = config.home.join("d".repeat(90)).join("e".repeat(90));
        fs::create_dir_all(&deep).unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o700)).unwrap();
        config.home = deep;
    });
    let (ended, _) = bed.run(Limits::default()).await;
    assert_eq!(ended.end, SandboxEnd::Exited { code: 3 });
}

#[tokio::test]
async fn what_is_not_enforced_is_told() {
    let report = Bed::new(IDLE).engine.report().await.unwrap();
    let what: Vec<_> = report.shortfalls.iter().map(|s| s.what.as_str()).collect();
    let expected: &[&str] =
        if is_root() { &[] } else { &["memory", "cpu", "disk", "separate_users"] };
    assert_eq!(what, expected, "here, where only root has cgroups: {report:?}");
}

#[tokio::test]
async fn a_missing_helper_is_named() {
    let mut config = Bed::new(IDLE).config;
    config.helper = "/nowhere/helper".into();
    let error = LocalEngine::open(config).unwrap_err().to_string();
    assert!(error.contains("/nowhere/helper"), "{error}");
}
