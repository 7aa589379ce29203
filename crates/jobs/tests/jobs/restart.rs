//! What the next orchestrator finds, and what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, FakeEngine};
use jobs::{Config, Jobs, OpenError, ScheduleError};
use tempfile::TempDir;
use types::{EventKind, JobId, JobStatus, Limits};

use crate::support::{
    HELLO, PATIENCE, Setup, claim, config, obey_later, open, request, started, succeed,
};

#[tokio::test]
async fn a_running_job_goes_on_under_the_next_orchestrator() {
    let Setup { home, engine, jobs } = Setup::new(obey_later, 1).await;
    let setup = Setup { home, engine, jobs };
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let waiting = setup.schedule().await;
    setup.jobs.stop().await;
    assert!(matches!(setup.jobs.schedule(request(HELLO)).await, Err(ScheduleError::Stopping)));
    let Setup { home, engine, jobs } = setup;
    drop(jobs);

    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    setup.jobs.cancel(job).await.unwrap();
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Cancelled);
    setup.until(waiting, started).await;
    setup.jobs.cancel(waiting).await.unwrap();
    setup.end(waiting).await;
}

/// Else the agent would wait for ever for somebody who is not there.
#[tokio::test]
async fn a_desktop_that_somebody_had_is_given_back() {
    let Setup { home, engine, jobs } = Setup::new(obey_later, 1).await;
    let setup = Setup { home, engine, jobs };
    let job = setup.schedule().await;
    setup.until(job, started).await;
    setup.jobs.take_desktop(job, true).await.unwrap();
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);

    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    setup.until(job, |event| matches!(event, EventKind::Desktop { taken: false })).await;
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
}

#[tokio::test]
async fn a_job_is_forgotten_when_its_retention_is_over() {
    let setup = Setup::new(succeed, 1).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    let folder = setup.jobs.zip_path(job).parent().unwrap().to_owned();
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    drop(jobs);

    let config = Config { retention: Duration::ZERO, ..config(1) };
    let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine.clone()]).await.unwrap();
    let forgotten = async {
        while jobs.get(job).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("the job is forgotten");
    assert!(!folder.exists(), "with all its files");
}

#[tokio::test]
async fn what_no_job_owns_is_removed() {
    let home = TempDir::new().unwrap();
    let engine = Arc::new(FakeEngine::idle().unwrap());
    let spec =
        engine::SandboxSpec { job: JobId::generate(), limits: Limits::default(), image: None };
    engine.create(&spec).await.unwrap();
    let _jobs = open(&home, &engine, 1).await.unwrap();
    assert_eq!(engine.list().await.unwrap(), vec![]);
}

#[test]
fn a_second_orchestrator_is_refused_and_told_who_has_it() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    assert_eq!(jobs::owner(&data).unwrap(), None);
    let first = claim(&home).unwrap();
    first.announce("pid 1 http://127.0.0.1:1").unwrap();
    match claim(&home) {
        Err(OpenError::InUse { owner, .. }) => {
            assert_eq!(owner.as_deref(), Some("pid 1 http://127.0.0.1:1"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(jobs::owner(&data).unwrap().as_deref(), Some("pid 1 http://127.0.0.1:1"));
    drop(first);
    assert_eq!(jobs::owner(&data).unwrap(), None, "what a dead process left does not count");
    claim(&home).unwrap();
}
