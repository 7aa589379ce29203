//! The files of a sandbox that runs, where they are a volume.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError};
use futures_util::future::join_all;
use testkit::docker::{Daemon, OwnDaemon};
use tokio::time::{sleep, timeout};
use types::{JobId, Limits};

use crate::bed::{Bed, IDLE, PATIENCE};

/// How often something that comes or goes is looked at.
const LOOK: Duration = Duration::from_millis(20);

async fn copies(bed: &Bed, job: JobId) -> Vec<PathBuf> {
    let all = join_all((0..8).map(|_| bed.engine.workspace(job))).await;
    all.into_iter().map(|copy| fs::read_link(copy.unwrap().path()).unwrap()).collect()
}

#[tokio::test]
async fn all_who_look_at_one_time_see_one_copy_and_later_ones_a_newer() {
    let agentd = "as_command('open(\"/workspace/now\", \"w\").write(\"1\")')\ntime.sleep(3600)";
    let bed = Bed::with(agentd, &Daemon::usual_by_tcp(), |_| {});
    let job = bed.start(Limits::default()).await;
    let first = copies(&bed, job).await;
    assert!(first.iter().all(|path| *path == first[0]), "{first:?}");
    let newer = async {
        loop {
            let copy = bed.engine.workspace(job).await.unwrap();
            assert!(copy.is_copy());
            if copy.path().join("now").exists() {
                break fs::read_link(copy.path()).unwrap();
            }
            sleep(LOOK).await;
        }
    };
    let last = timeout(PATIENCE, newer).await.expect("the file is seen");
    let gone = async {
        while first[0].exists() || last.exists() {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("copies go when nobody looks at them any more");
    bed.engine.remove(job).await.unwrap();
}

/// A file that is sent for minutes, and costs its job nothing.
const ENDLESS: &str = "as_command('open(\"/workspace/f\", \"w\").truncate(1 << 37)')";

fn endless() -> Limits {
    Limits { disk_bytes: 1 << 34, file_bytes: 1 << 40, ..Limits::default() }
}

/// For how long somebody may notice that it is sent.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Where that file is being written.
fn arriving(home: &Path) -> Vec<PathBuf> {
    let dirs = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    dirs.filter(|dir| dir.join("f").exists()).collect()
}

/// Waits until it is being written to a place that is none of these.
async fn until_arriving(home: &Path, before: &[PathBuf]) {
    let begun = async {
        while arriving(home).iter().all(|dir| before.contains(dir)) {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, begun).await.expect("it is on its way");
}

#[tokio::test]
async fn a_look_is_short_and_nobody_who_ends_a_sandbox_waits_for_it() {
    let agentd = format!("{ENDLESS}\ntime.sleep(3600)");
    let bed = Arc::new(Bed::with(&agentd, &Daemon::usual_by_tcp(), |_| {}));
    let job = bed.start(endless()).await;
    let is_too_long =
        |error: &EngineError| error.to_string().contains("longer than 15s; try again");
    let too_long = async {
        // Before the file is there, a look takes no time.
        loop {
            if let Err(error) = bed.engine.workspace(job).await {
                break error;
            }
            sleep(LOOK).await;
        }
    };
    let error = timeout(PATIENCE, too_long).await.expect("it is told");
    assert!(is_too_long(&error), "{error}");
    let home = bed.config.home.join(job.to_string());
    let before = arriving(&home);
    let looking = tokio::spawn({
        let bed = bed.clone();
        async move {
            // What was told a moment ago is told again.
            loop {
                match bed.engine.workspace(job).await {
                    Err(error) if is_too_long(&error) => sleep(LOOK).await,
                    found => break found.map(drop),
                }
            }
        }
    });
    until_arriving(&home, &before).await;
    timeout(AT_ONCE, bed.engine.stop(job)).await.expect("it is killed at once").unwrap();
    timeout(PATIENCE, bed.engine.remove(job)).await.expect("no fetch goes on").unwrap();
    assert!(looking.await.unwrap().is_err());
}

#[tokio::test]
async fn nobody_who_ends_a_sandbox_that_ended_by_itself_waits_for_its_files() {
    let bed = Bed::with(ENDLESS, &Daemon::usual_by_tcp(), |_| {});
    let job = bed.start(endless()).await;
    until_arriving(&bed.config.home.join(job.to_string()), &[]).await;
    let stopped = timeout(AT_ONCE, bed.engine.stop(job)).await;
    // First what it still sends: a test that fails would wait for that.
    timeout(PATIENCE, bed.engine.remove(job)).await.expect("no fetch goes on").unwrap();
    stopped.expect("nothing is left to kill").unwrap();
}

#[tokio::test]
async fn nobody_waits_long_for_a_daemon_that_answers_nothing() {
    let mut docker = OwnDaemon::dockerd("");
    let bed = Bed::with(IDLE, &docker.daemon().by_tcp(), |_| {});
    let job = bed.start(Limits::default()).await;
    drop(bed.engine.workspace(job).await.unwrap());
    docker.freeze();
    let begun = Instant::now();
    let frozen = async {
        // What was copied before is good for a moment.
        loop {
            let found = join_all((0..3).map(|_| bed.engine.workspace(job))).await;
            if let Some(Err(error)) = found.into_iter().find(Result::is_err) {
                break error;
            }
            sleep(LOOK).await;
        }
    };
    let error = timeout(PATIENCE, frozen).await.expect("it is told");
    assert!(matches!(error, EngineError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("sent nothing for 10s; try again"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // Whoever cleans up would wait for it.
    docker.kill();
}
