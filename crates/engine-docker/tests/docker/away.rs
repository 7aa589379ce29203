//! A daemon that goes away and does not come back. What it takes with it is tried with whole jobs, by
//! the tests of `cagent`.

use engine::{Engine, SandboxEnd, SandboxState};
use testkit::docker::OwnDaemon;
use types::Limits;

use crate::bed::{Bed, IDLE};

#[tokio::test]
async fn the_sandboxes_of_a_daemon_that_stays_away_are_lost() {
    are_lost_by(OwnDaemon::kill).await;
}

#[tokio::test]
async fn the_sandboxes_of_a_daemon_that_takes_calls_and_answers_none_are_lost() {
    are_lost_by(OwnDaemon::freeze).await;
}

/// Who told the daemon to remove it may be gone, and the daemon do it any time later: nobody may go on
/// with such a sandbox.
#[tokio::test]
async fn a_sandbox_whose_removal_was_begun_runs_no_more_for_anybody() {
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
    bed.engine.remove(job).await.unwrap();
    assert_eq!(bed.engine.list().await.unwrap(), []);
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
