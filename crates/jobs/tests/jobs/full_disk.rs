//! A disk that is really full: a small file system in a mount namespace of the test's own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use engine::FakeEngine;
use jiff::Timestamp;
use jobs::{Config, Folders, ForgetError, JobError, Jobs, ListRequest, ScheduleError};
use protocol::{Client, ClientError, Data, Report, ReportKind, Verdict};
use tempfile::TempDir;
use tokio::sync::mpsc;
use types::{Event, EventKind, JobStatus, Reason, StepKind, StepOutcome, Stream};

use crate::support::{
    HELLO, PATIENCE, Setup, claim, config, obey, obey_later, open, request, scripted, started,
    succeed,
};

/// Set where mounts are nobody else's.
pub(crate) const OWN: &str = "OWN_MOUNTS";

#[test]
fn a_result_waits_until_there_is_room() {
    run_with_own_mounts("full_disk::on_a_small_disk");
}

#[test]
fn a_job_is_deleted_though_the_disk_is_full() {
    run_with_own_mounts("full_disk::deleting_makes_room");
}

#[test]
fn ends_are_recorded_and_jobs_deleted_on_a_full_disk() {
    run_with_own_mounts("full_disk::on_what_was_held");
}

#[test]
fn a_job_begins_once_there_is_room_for_its_folder() {
    run_with_own_mounts("full_disk::without_a_folder");
}

#[test]
fn no_job_begins_while_the_disk_is_short() {
    run_with_own_mounts("full_disk::below_the_reserve");
}

#[test]
fn a_disk_that_fills_up_again_and_again_loses_nothing() {
    run_with_own_mounts("full_disk::full_again_and_again");
}

#[test]
fn what_agents_say_takes_nothing_of_what_is_held() {
    run_with_own_mounts("full_disk::agents_wait");
}

#[test]
fn a_look_at_a_nearly_full_disk_takes_nothing_of_what_is_held() {
    run_with_own_mounts("full_disk::only_looked_at");
}

pub(crate) fn run_with_own_mounts(test: &str) {
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
    let waits = async || {
        let checks = setup.jobs.readiness().await;
        checks.into_iter().find(|check| check.name == "results").unwrap().problem.is_some()
    };
    assert!(waits().await, "operators hear of it");
    assert!(setup.jobs.metrics().await.contains("cagent_results_waiting 1\n"));
    fs::remove_file(ballast).unwrap();
    let record = setup.jobs.wait_until_over(job, PATIENCE).await.unwrap();
    assert_eq!(record.status, JobStatus::Cancelled);
    assert!(!waits().await);
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
    let neighbour = data.join("neighbour");
    fill(&neighbour);
    // The record is on the full disk, the files are not: nothing can be done but to say so.
    match setup.jobs.forget(job).await {
        Err(ForgetError::Job(JobError::Store(e))) => assert!(e.is_disk_full(), "{e}"),
        other => panic!("{other:?}"),
    }
    assert!(!setup.jobs.zip_path(job).exists());
    let again = setup.jobs.clone();
    let again = tokio::spawn(async move { again.forget(job).await });
    fs::remove_file(neighbour).unwrap();
    again.await.unwrap().unwrap();
    assert!(matches!(setup.jobs.get(job).await, Err(JobError::NotFound(_))));
    setup.jobs.stop().await;
    unmount(&data);
}

#[tokio::test]
#[ignore = "run by ends_are_recorded_and_jobs_deleted_on_a_full_disk, where it can mount"]
async fn on_what_was_held() {
    let runner = "run ends_are_recorded_and_jobs_deleted_on_a_full_disk instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    mount(&data, "64m");
    let engine = Arc::new(FakeEngine::with_agent(scripted(obey_later)).unwrap());
    let jobs = open(&home, &engine, 3).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let running = [setup.schedule().await, setup.schedule().await, setup.schedule().await];
    for job in running {
        setup.until(job, started).await;
    }
    let held = || held_in(&data);
    let whole = held();
    assert!(whole > 0);
    let end = async |setup: &Setup, job| {
        setup.jobs.cancel(job).await.unwrap();
        assert_eq!(setup.end(job).await.0.status, JobStatus::Cancelled);
    };
    // Whatever is given up, a neighbour takes.
    let neighbour = data.join("neighbour");
    fill(&neighbour);
    end(&setup, running[0]).await;
    fill(&neighbour);
    setup.jobs.take_desktop(running[1], true).await.unwrap();
    fill(&neighbour);
    setup.jobs.forget(running[0]).await.unwrap();
    end(&setup, running[1]).await;
    fill(&neighbour);
    let setup = setup.restart(config(3)).await;
    end(&setup, running[2]).await;
    assert!(held() < whole);
    fs::remove_file(neighbour).unwrap();
    let again = async {
        while held() < whole {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it is made whole");
    setup.jobs.stop().await;
    unmount(&data);
}

/// Data and results on one disk; the test speaks for the agents.
#[tokio::test]
#[ignore = "run by what_agents_say_takes_nothing_of_what_is_held, where it can mount"]
async fn agents_wait() {
    let runner = "run what_agents_say_takes_nothing_of_what_is_held instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let small = home.path().join("small");
    fs::create_dir(&small).unwrap();
    mount(&small, "64m");
    let (greeted, mut agents) = mpsc::unbounded_channel();
    let greet = move |_, gateway: PathBuf| {
        let greeted = greeted.clone();
        tokio::spawn(async move {
            let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
            client.hello("test").await.unwrap();
            greeted.send(client).unwrap();
            std::future::pending().await
        })
    };
    let engine = Arc::new(FakeEngine::with_agent(Arc::new(greet)).unwrap());
    let folders = Folders::claim(&small.join("data"), &small.join("output")).unwrap();
    let jobs = Jobs::open(folders, config(2), vec![engine.clone()]).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let one = setup.schedule().await;
    let mut agent = agents.recv().await.unwrap();
    let other = setup.schedule().await;
    let mut cancelled = agents.recv().await.unwrap();
    let held = || held_in(&small.join("data"));
    let whole = held();
    assert!(whole > 0);

    let neighbour = small.join("neighbour");
    fill(&neighbour);
    say(&mut agent, 1, step(Some("x".repeat(500_000)))).await.unwrap_err();
    assert_eq!(held(), whole, "what an agent says may wait");
    setup.jobs.cancel(other).await.unwrap();
    let short = held();
    assert!(short < whole, "a cancel may not");
    say(&mut agent, 1, step(None)).await.unwrap_err();
    for agent in [&agent, &cancelled] {
        agent.tunnels().open(&"10.1.2.3:80".parse().unwrap()).await.unwrap_err();
    }
    say(&mut cancelled, 1, ReportKind::Finished(Verdict::Cancelled)).await.unwrap();
    // Long enough for a first try.
    let record = setup.jobs.wait_until_over(other, Duration::from_secs(2)).await.unwrap();
    assert_eq!((record.status, held()), (JobStatus::Packaging, short));

    // Enough to go on, too little to make it whole.
    let taken = File::options().write(true).open(&neighbour).unwrap();
    taken.set_len(taken.metadata().unwrap().len() - 8 * 1024 * 1024).unwrap();
    say(&mut agent, 1, step(None)).await.unwrap();
    say(&mut agent, 2, ReportKind::Finished(Verdict::Complete)).await.unwrap();
    for (job, status, connections) in
        [(one, JobStatus::Complete, 1), (other, JobStatus::Cancelled, 0)]
    {
        let (record, events) = setup.end(job).await;
        assert!(record.status == status && record.zip_bytes.is_some(), "{record:#?}");
        let told = events.iter().filter(|e| matches!(e.event, EventKind::Egress { .. }));
        assert_eq!(told.count(), connections, "what happened may wait as long as its job works");
    }
    assert_eq!(held(), short);
    setup.jobs.stop().await;
    unmount(&small);
}

#[tokio::test]
#[ignore = "run by a_look_at_a_nearly_full_disk_takes_nothing_of_what_is_held, where it can mount"]
async fn only_looked_at() {
    let runner = "run a_look_at_a_nearly_full_disk_takes_nothing_of_what_is_held instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    mount(&data, "64m");
    let engine = Arc::new(FakeEngine::with_agent(scripted(succeed)).unwrap());
    open(&home, &engine, 1).await.unwrap().stop().await;
    let whole = held_in(&data);
    assert!(whole > 0);
    let neighbour = data.join("neighbour");
    fill(&neighbour);
    let taken = File::options().write(true).open(&neighbour).unwrap();
    taken.set_len(taken.metadata().unwrap().len() - 1024 * 1024).unwrap();
    open(&home, &engine, 0).await.unwrap().stop().await;
    assert_eq!(held_in(&data), whole);
    unmount(&data);
}

#[tokio::test]
#[ignore = "run by a_job_begins_once_there_is_room_for_its_folder, where it can mount"]
async fn without_a_folder() {
    let runner = "run a_job_begins_once_there_is_room_for_its_folder instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let output = home.path().join("output");
    fs::create_dir(&output).unwrap();
    mount(&output, "4m,nr_inodes=64");
    let engine = Arc::new(FakeEngine::with_agent(scripted(succeed)).unwrap());
    // No time is too long to wait for room.
    let config = Config { engine_patience: Duration::ZERO, ..config(1) };
    let jobs = Jobs::open(claim(&home).unwrap(), config, vec![engine.clone()]).await.unwrap();
    let setup = Setup { home, engine, jobs };
    let full = |n: &usize| File::create(output.join(n.to_string())).is_ok();
    let files = (0..).take_while(full).count();
    let job = setup.schedule().await;
    let waits = |event: &EventKind| matches!(event, EventKind::Notice { text, .. } if text.contains("the job waits"));
    setup.until(job, waits).await;
    (0..files).for_each(|n| fs::remove_file(output.join(n.to_string())).unwrap());
    let (record, _) = setup.end(job).await;
    assert_eq!(record.status, JobStatus::Complete, "{record:#?}");
    setup.jobs.stop().await;
    unmount(&output);
}

#[tokio::test]
#[ignore = "run by no_job_begins_while_the_disk_is_short, where it can mount"]
async fn below_the_reserve() {
    let runner = "run no_job_begins_while_the_disk_is_short instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let output = home.path().join("output");
    fs::create_dir(&output).unwrap();
    mount(&output, "16m");
    let config = Config { reserve_bytes: 12 << 20, ..config(1) };
    let setup = Setup::within(home, obey_later, config).await;
    let (first, second) = (setup.schedule().await, setup.schedule().await);
    setup.until(first, started).await;
    // Short, and not so short that a job is ended for it.
    let neighbour = output.join("neighbour");
    fs::write(&neighbour, vec![7; 6 << 20]).unwrap();
    let known = async {
        // One that is never taken: what it hears first is that there is no room.
        while !matches!(setup.jobs.schedule(request("")).await, Err(ScheduleError::NoRoom(_))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("it is measured");
    setup.jobs.cancel(first).await.unwrap();
    assert_eq!(setup.end(first).await.0.status, JobStatus::Cancelled);
    // Long enough for a first try.
    let record = setup.jobs.wait_until_over(second, Duration::from_secs(2)).await.unwrap();
    assert_eq!(record.status, JobStatus::Scheduled);
    fs::remove_file(neighbour).unwrap();
    setup.until(second, started).await;
    setup.jobs.stop().await;
    unmount(&output);
}

/// The ballast comes and goes at moments of its own, between any two calls of all that is going on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_disk_that_fills_up_again_and_again_loses_nothing, where it can mount"]
async fn full_again_and_again() {
    let runner = "run a_disk_that_fills_up_again_and_again_loses_nothing instead";
    assert!(std::env::var_os(OWN).is_some(), "{runner}");
    let home = TempDir::new().unwrap();
    let small = home.path().join("small");
    fs::create_dir(&small).unwrap();
    mount(&small, "12m");
    let (data, output) = (small.join("data"), small.join("output"));
    let folders = Folders::claim(&data, &output).unwrap();
    let engine = Arc::new(
        FakeEngine::with_agent(Arc::new(|_, gateway| tokio::spawn(persist(gateway)))).unwrap(),
    );
    let config = Config { tells: true, ..config(4) };
    let jobs = Jobs::open(folders, config, vec![engine.clone()]).await.unwrap();
    let setup = Setup { home, engine, jobs };

    let (mut accepted, mut refused) = (vec![], 0);
    for round in 0..30u64 {
        let client = setup.jobs.clone();
        let client = tokio::spawn(async move {
            let mut answers = vec![];
            for _ in 0..4 {
                answers.push(client.schedule(request(HELLO)).await);
            }
            answers
        });
        // Any moment will do; each round has another.
        tokio::time::sleep(Duration::from_micros(round * 7919 % 20_000)).await;
        let ballast = small.join("ballast");
        fill(&ballast);
        setup.jobs.list(&ListRequest::default()).await.unwrap();
        let full = setup.jobs.schedule(request(HELLO)).await;
        fs::remove_file(ballast).unwrap();
        for answer in client.await.unwrap().into_iter().chain([full]) {
            match answer {
                Ok(job) => accepted.push(job),
                Err(ScheduleError::NoRoom(_) | ScheduleError::Store(_)) => refused += 1,
                Err(e) => panic!("{e}"),
            }
        }
    }
    assert!(accepted.len() > 30 && refused > 5, "{} accepted, {refused} refused", accepted.len());
    for job in &accepted {
        let (record, events) = setup.end(*job).await;
        assert_eq!(record.status, JobStatus::Complete, "{:?}", record.ending);
        let ends = |event: &&Event| matches!(event.event, EventKind::Ended { .. });
        assert_eq!(events.iter().filter(ends).count(), 1);
        let zip = File::open(setup.jobs.zip_path(*job)).unwrap();
        zip::ZipArchive::new(zip).unwrap().by_name(".cagent/manifest.json").unwrap();
    }
    let mut told = setup.told().await;
    for job in &accepted {
        assert_eq!(told.remove(job).unwrap(), ["job.started", "job.ended"]);
    }
    assert!(told.is_empty(), "{told:?}");
    let mut known: Vec<_> = setup.list().await.into_iter().map(|job| job.id).collect();
    known.sort();
    accepted.sort();
    assert_eq!(known, accepted);
    setup.jobs.stop().await;
    let db = rusqlite::Connection::open(data.join("cagent.db")).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    drop(db);
    unmount(&small);
}

/// Says all again that could not be kept, as agentd does.
async fn persist(gateway: PathBuf) -> i32 {
    let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
    while client.hello("test").await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (stream, data) = (Stream::Stdout, Data(vec![b'x'; 20_000]));
    let output = ReportKind::Output { step: 1, stream, data };
    let (outcome, exit_code) = (StepOutcome::Ok, Some(0));
    let finished = ReportKind::StepFinished { step: 1, outcome, exit_code, millis: 1 };
    let reports = [step(None), output, finished, ReportKind::Finished(Verdict::Complete)];
    for (n, report) in (1..).zip(reports) {
        while say(&mut client, n, report.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    0
}

fn step(code: Option<String>) -> ReportKind {
    ReportKind::StepStarted { step: 1, kind: StepKind::Bash, title: "hello".into(), line: 3, code }
}

pub(crate) async fn say(
    client: &mut Client,
    n: u64,
    report: ReportKind,
) -> Result<(), ClientError> {
    let acked = client.report(&[Report { n, at: Timestamp::now(), report }]).await?.acked;
    assert_eq!(acked, n);
    Ok(())
}

pub(crate) fn held_in(data: &Path) -> u64 {
    fs::metadata(data.join("ballast")).map_or(0, |file| file.len())
}

pub(crate) fn mount(at: &Path, size: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(at);
    assert!(mount.status().unwrap().success());
}

/// So that the temporary directory can go.
pub(crate) fn unmount(at: &Path) {
    assert!(Command::new("umount").arg("--lazy").arg(at).status().unwrap().success());
}

pub(crate) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}
