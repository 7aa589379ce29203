//! A daemon that goes away and does not come back. What it takes with it is tried with whole jobs, by
//! the tests of `cagent`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use engine::{Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState};
use tempfile::TempDir;
use testkit::docker::OwnDaemon;
use tokio::time::{sleep, timeout};
use types::{JobId, Limits};

use crate::bed::{Bed, IDLE, PATIENCE};

#[tokio::test]
async fn the_sandboxes_of_a_daemon_that_stays_away_are_lost() {
    are_lost_by(OwnDaemon::kill).await;
}

#[tokio::test]
async fn the_sandboxes_of_a_daemon_that_takes_calls_and_answers_none_are_lost() {
    are_lost_by(OwnDaemon::freeze).await;
}

/// Who told the daemon to remove it may be gone, and the daemon do it any time later, or never: nobody may
/// go on with such a sandbox, and who finds it tells the daemon again.
#[tokio::test]
async fn a_sandbox_whose_removal_was_begun_runs_no_more() {
    let mut docker = OwnDaemon::dockerd("--live-restore");
    let mut bed = Bed::with(IDLE, docker.daemon(), |_| {});
    let job = bed.start(Limits::default()).await;
    docker.kill();
    bed.engine.remove(job).await.unwrap_err();
    docker.start_again();
    for _ in 0..2 {
        assert_eq!(bed.engine.list().await.unwrap(), [(job, SandboxState::Ended)]);
        bed = bed.again();
    }
    bed.is_swept().await;
    bed.engine.remove(job).await.unwrap();
    assert_eq!(bed.engine.list().await.unwrap(), []);
}

/// What runs inside may have said hello before the daemon says that it runs.
#[tokio::test]
async fn a_sandbox_whose_start_was_cut_off_runs_if_it_does() {
    let dir = TempDir::new().unwrap();
    let (slow, hold) = (dir.path().join("slow"), dir.path().join("hold"));
    let wait = format!("while test -e {}; do sleep 0.05; done", hold.display());
    let script =
        format!("#!/bin/sh\nrunc \"$@\" || exit\ncase \"$*\" in *' start '*) {wait};; esac\n");
    fs::write(&slow, script).unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let docker = OwnDaemon::dockerd(&format!("--add-runtime slow={}", slow.display()));
    let agentd = "as_command('open(\"/workspace/hello\", \"w\")')\ntime.sleep(3600)";
    let bed = Bed::with(agentd, docker.daemon(), |config| config.runtime = Some("slow".into()));
    let job = bed.create(Limits::default()).await;
    let hello = bed.config.home.join(format!("{job}/workspace/hello"));
    fs::write(&hold, "").unwrap();
    let begun = async {
        while !hello.exists() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        started = bed.engine.start(job) => panic!("its start is not held: {started:?}"),
        begun = timeout(PATIENCE, begun) => begun.expect("it starts"),
    }
    let bed = bed.again();
    let mut found = bed.engine.list();
    let early = timeout(Duration::from_secs(2), &mut found).await;
    fs::remove_file(&hold).unwrap();
    assert!(early.is_err(), "it is not known yet: {early:?}");
    assert_eq!(found.await.unwrap(), [(job, SandboxState::Running)]);
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_is_away_for_a_moment_refuses_no_job() {
    let mut docker = OwnDaemon::dockerd("");
    let bed = Bed::with(IDLE, docker.daemon(), |_| {});
    bed.engine.report().await.unwrap();
    docker.kill();
    let spec = SandboxSpec { job: JobId::generate(), limits: Limits::default(), image: None };
    let error = bed.engine.create(&spec).await.unwrap_err();
    assert!(matches!(error, EngineError::Away { .. }), "{error:?}");
    docker.start_again();
    bed.engine.create(&spec).await.unwrap();
    bed.engine.remove(spec.job).await.unwrap();
}

async fn are_lost_by(trouble: impl FnOnce(&mut OwnDaemon)) {
    let mut docker = OwnDaemon::dockerd("");
    let beds = [docker.daemon().clone(), docker.daemon().by_tcp()]
        .map(|daemon| Bed::with(IDLE, &daemon, |_| {}));
    let jobs = [
        beds[0].start(Limits::default()).await,
        beds[1].start(Limits { wall_seconds: 1, ..Limits::default() }).await,
    ];
    trouble(&mut docker);
    // From here on time goes by as fast as nothing happens.
    tokio::time::pause();
    for (bed, job) in beds.iter().zip(jobs) {
        let ended = bed.engine.wait(job).await.unwrap();
        assert!(matches!(ended.end, SandboxEnd::Lost | SandboxEnd::WallTime), "{ended:?}");
        bed.engine.remove(job).await.unwrap_err();
    }
    // Whoever cleans up would wait for it.
    docker.kill();
}
