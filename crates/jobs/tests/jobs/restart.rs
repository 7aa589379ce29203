//! What the next orchestrator finds, and what is forgotten.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, EngineError, FakeEngine};
use jiff::{SignedDuration, Timestamp};
use jobs::{Clock, Config, Jobs, OpenError, ScheduleError};
use tempfile::TempDir;
use types::{EventKind, JobId, JobStatus, Limits, Reason, Stream};

use crate::support::{
    HELLO, PATIENCE, Setup, chatter, claim, config, obey_later, open, request, started, succeed,
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

fn waits(event: &EventKind) -> bool {
    matches!(event, EventKind::Notice { text, .. } if text.contains("does not answer"))
}

#[tokio::test]
async fn a_job_whose_engine_is_away_for_a_moment_waits_for_it() {
    let setup = Setup::new(succeed, 1).await;
    setup.engine.set_away(true);
    let jobs = [setup.schedule().await, setup.schedule().await, setup.schedule().await];
    setup.until(jobs[0], waits).await;
    setup.jobs.cancel(jobs[0]).await.unwrap();
    assert_eq!(setup.end(jobs[0]).await.0.status, JobStatus::Cancelled, "nobody has to wait");
    setup.until(jobs[1], waits).await;
    setup.engine.set_away(false);
    for job in &jobs[1..] {
        let (record, events) = setup.end(*job).await;
        assert_eq!(record.status, JobStatus::Complete, "{record:#?}");
        assert!(events.iter().filter(|event| waits(&event.event)).count() <= 1, "told once");
    }
}

#[tokio::test]
async fn a_running_job_is_not_given_up_while_nobody_can_tell_whether_it_lives() {
    let setup = Setup::new(obey_later, 1).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    setup.engine.set_away(true);
    let setup = setup.restart(config(1)).await;
    setup.until(job, waits).await;
    setup.engine.set_away(false);
    setup.jobs.cancel(job).await.unwrap();
    assert_eq!(setup.end(job).await.0.status, JobStatus::Cancelled);
    assert_eq!(setup.sandboxes().await, 0);
}

#[tokio::test]
async fn a_running_job_is_not_given_up_for_a_bad_answer() {
    let refused = || EngineError::Setup { job: JobId::generate(), message: "server error".into() };
    let denied = || EngineError::Io {
        what: "read",
        path: "sandboxes".into(),
        source: ErrorKind::PermissionDenied.into(),
    };
    let absent = || EngineError::Unavailable { engine: "fake", why: "no".into(), cure: "a".into() };
    for bad in [refused as fn() -> EngineError, denied, absent] {
        let setup = Setup::new(obey_later, 1).await;
        let job = setup.schedule().await;
        setup.until(job, started).await;
        setup.engine.fail(usize::MAX, bad);
        let setup = setup.restart(config(1)).await;
        let waits = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.contains("the job waits"));
        setup.until(job, waits).await;
        setup.engine.set_away(false);
        setup.jobs.cancel(job).await.unwrap();
        assert_eq!(setup.end(job).await.0.status, JobStatus::Cancelled);
    }
}

/// A command with a server of its own may have other engines than the service that is away just now.
#[tokio::test]
async fn jobs_of_an_engine_that_is_not_configured_are_left_alone() {
    let setup = Setup::new(obey_later, 1).await;
    let (job, queued) = (setup.schedule().await, setup.schedule().await);
    setup.until(job, started).await;
    let setup = setup.restart_with(config(1), vec![]).await;
    let waits = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.contains("not configured here"));
    for job in [job, queued] {
        setup.until(job, waits).await;
    }
    let setup = setup.restart(config(1)).await;
    assert_eq!(setup.jobs.get(job).await.unwrap().status, JobStatus::Running);
    assert_eq!(setup.engine.list().await.unwrap().len(), 1, "its sandbox lives");
    setup.jobs.cancel(job).await.unwrap();
    setup.end(job).await;
    setup.until(queued, started).await;
    setup.jobs.cancel(queued).await.unwrap();
    setup.end(queued).await;
}

/// It can be cancelled all the same.
#[tokio::test]
async fn a_job_whose_engine_is_not_configured_can_be_cancelled() {
    let setup = Setup::new(obey_later, 1).await;
    let (job, queued) = (setup.schedule().await, setup.schedule().await);
    setup.until(job, started).await;
    let setup = setup.restart_with(config(1), vec![]).await;
    for job in [job, queued] {
        setup.jobs.cancel(job).await.unwrap();
        assert_eq!(setup.end(job).await.0.status, JobStatus::Cancelled);
    }
    let setup = setup.restart(config(1)).await;
    assert_eq!(setup.engine.list().await.unwrap(), vec![], "what was left is removed");
}

/// Else the agent would wait for ever for somebody who is not there.
#[tokio::test]
async fn a_desktop_that_somebody_had_is_given_back() {
    let Setup { home, engine, jobs } = Setup::new(obey_later, 1).await;
    let setup = Setup { home, engine, jobs };
    let job = setup.schedule().await;
    setup.until(job, started).await;
    setup.jobs.take_desktop(job, true).await.unwrap();
    let setup = setup.restart(config(1)).await;
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
    forgotten(&jobs, job).await;
    assert!(!folder.exists(), "with all its files");
}

/// Each restart looks at the clock once.
#[tokio::test]
async fn a_clock_that_was_set_forgets_nothing_too_early_and_keeps_nothing_for_ever() {
    let clock = Clock::still(Timestamp::now(), "a");
    let config = || Config { clock: clock.clone(), ..config(1) };
    let (day, year) = (config().retention, SignedDuration::from_hours(365 * 24));
    let mut setup = Setup::with(succeed, config()).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    let known = async |setup: &Setup| {
        let probe = setup.schedule().await;
        // The sweeper has looked: its first turn is before that of a job.
        setup.end(probe).await;
        setup.jobs.get(job).await.is_ok()
    };
    for by in [year, -year, -year, year] {
        clock.set(by);
        setup = setup.restart(config()).await;
        assert!(known(&setup).await, "set by {by}");
        clock.pass(day / 2);
    }
    clock.pass(day / 2);
    let setup = setup.restart(config()).await;
    forgotten(&setup.jobs, job).await;
    assert!(!setup.list().await.is_empty(), "what is younger stays");
}

#[tokio::test]
async fn the_oldest_results_go_when_all_hold_too_much() {
    let setup = Setup::new(succeed, 1).await;
    let mut jobs = vec![];
    for _ in 0..4 {
        let job = setup.schedule().await;
        setup.end(job).await;
        jobs.push(job);
    }
    let held = setup.jobs.get(jobs[0]).await.unwrap().zip_bytes.unwrap();
    let results_bytes = held * 7 / 2;
    let setup = setup.restart(Config { results_bytes, ..config(1) }).await;
    forgotten(&setup.jobs, jobs[0]).await;
    let job = setup.schedule().await;
    setup.end(job).await;
    forgotten(&setup.jobs, jobs[1]).await;
    let left: Vec<_> = setup.list().await.into_iter().map(|job| job.id).collect();
    assert_eq!(left, vec![job, jobs[3], jobs[2]]);
    let setup = setup.restart(Config { results_bytes: 0, ..config(1) }).await;
    forgotten(&setup.jobs, jobs[3]).await;
    assert!(setup.jobs.get(job).await.is_ok(), "the newest stays");
}

async fn forgotten(jobs: &Jobs, job: JobId) {
    let forgotten = async {
        while jobs.get(job).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("the job is forgotten");
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
    std::fs::remove_file(data.join("lock")).unwrap();
    assert!(matches!(claim(&home), Err(OpenError::InUse { .. })), "it lives without its file");
    assert_eq!(jobs::owner(&data).unwrap().as_deref(), Some(""), "nobody knows who, but somebody");
    drop(first);
    assert_eq!(jobs::owner(&data).unwrap(), None, "what a dead process left does not count");
    claim(&home).unwrap();
}

/// That a job began need not be on the disk when its sandbox is.
#[tokio::test]
async fn a_beginning_that_a_power_cut_undid_is_no_hindrance() {
    let setup = Setup::new(succeed, 0).await;
    let job = setup.schedule().await;
    let spec = engine::SandboxSpec { job, limits: Limits::default(), image: None };
    setup.engine.create(&spec).await.unwrap();
    let setup = setup.restart(config(1)).await;
    assert_eq!(setup.end(job).await.0.status, JobStatus::Complete);
}

#[tokio::test]
async fn nor_is_one_that_nobody_was_told_of() {
    let setup = Setup::new(succeed, 0).await;
    let job = setup.schedule().await;
    let spec = engine::SandboxSpec { job, limits: Limits::default(), image: None };
    setup.engine.create(&spec).await.unwrap();
    let bad = || EngineError::Setup { job: JobId::generate(), message: "server error".into() };
    setup.engine.fail(1, bad);
    let setup = setup.restart(config(1)).await;
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{record:#?}");
}

#[tokio::test]
async fn a_clock_that_jumps_while_a_job_runs_turns_nothing_around() {
    let clock = Clock::still(Timestamp::now(), "a");
    let config = || Config { clock: clock.clone(), ..config(1) };
    let year = SignedDuration::from_hours(365 * 24);
    let setup = Setup::with(obey_later, config()).await;
    let job = setup.schedule().await;
    setup.until(job, started).await;
    let begun = setup.jobs.get(job).await.unwrap();
    for by in [year, year * -3] {
        clock.set(by);
        for taken in [true, false] {
            setup.jobs.take_desktop(job, taken).await.unwrap();
        }
    }
    let setup = setup.restart(config()).await;
    setup.jobs.cancel(job).await.unwrap();
    let (record, events) = setup.end(job).await;
    let begin = record.started.unwrap();
    assert_eq!((record.created, begin), (begun.created, begun.started.unwrap()));
    assert_eq!(record.completed, Some(begin - year * 2), "its age counts by the clock as it is");
    assert!(events.iter().all(|event| event.at >= record.created), "{events:#?}");
    let on_desktop = |event: &&types::Event| matches!(event.event, EventKind::Desktop { .. });
    let times: Vec<_> = events.iter().filter(on_desktop).map(|event| event.at).collect();
    assert_eq!(times, [begin + year, begin + year, begin, begin], "as the clock went");
}

#[tokio::test]
async fn a_log_that_a_power_cut_shortened_is_not_taken_for_whole() {
    let setup = Setup::new(chatter, 1).await;
    let job = setup.schedule().await;
    setup.until(job, |event| matches!(event, EventKind::Output { .. })).await;
    setup.jobs.stop().await;
    let Setup { home, engine, jobs } = setup;
    let log = jobs.log_path(job, Stream::Stdout);
    drop(jobs);
    engine.remove(job).await.unwrap();
    File::options().write(true).open(&log).unwrap().set_len(500).unwrap();

    let jobs = open(&home, &engine, 1).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let (record, events) = setup.end(job).await;
    assert_eq!(record.ending.unwrap().reason, Reason::Interrupted);
    let told = "stdout.log is truncated: the last 1500 of its 2000 bytes";
    let is_told = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.starts_with(told));
    assert_eq!(events.iter().filter(|event| is_told(&event.event)).count(), 1, "{events:#?}");
    let zip = File::open(setup.jobs.zip_path(job)).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    assert_eq!(zip.by_name(".cagent/stdout.log").unwrap().size(), 500);
    let packed = std::io::read_to_string(zip.by_name(".cagent/events.ndjson").unwrap()).unwrap();
    assert!(packed.contains(told), "{packed}");
}
