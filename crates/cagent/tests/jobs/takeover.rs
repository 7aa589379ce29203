//! A server that hangs and then dies, and others that want its data directory: one of them has it at
//! any time, and no step runs twice.

use std::path::Path;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Builder, DataDir, Server};
use types::{Event, EventKind, JobId, JobStatus, Reason};

use crate::stop::go;
use crate::support::{Result, assert_complete};

const CAGENT: &str = env!("CARGO_BIN_EXE_cagent");

/// Runs until somebody sends the file `go`; says how often it began.
const PATIENT: &str =
    "```sh\necho begun >> begun\necho waiting\nuntil [ -e go ]; do sleep 0.02; done\n```\n";

/// How often somebody wants what another one has; each waits for a second.
const TRIES: usize = 3;

fn builder(data: &DataDir) -> Builder {
    Builder::new(CAGENT).data_dir(data)
}

async fn begun(server: &Server) -> JobId {
    let job = server.client().run(PATIENT).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    job
}

fn signal(server: &Server, signal: Signal) {
    kill_process(Pid::from_raw(server.pid().cast_signed()).unwrap(), signal).unwrap();
}

/// Another server on this data directory, until it ends.
async fn another(data: &DataDir) -> Output {
    let mut command = tokio::process::Command::new(CAGENT);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
    let ended = command.kill_on_drop(true).output();
    tokio::time::timeout(testkit::PATIENCE, ended).await.expect("it ends").unwrap()
}

/// It was begun once, and all that happened to it is told once.
async fn assert_ran_once(server: &Server, job: JobId) {
    assert_complete(&server.client().wait_end(job).await);
    assert_eq!(Result::of(server, job).await.text("begun"), "begun\n");
    let ended = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let events = server.client().events_until(job, ended).await;
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap, no repeat");
}

#[tokio::test]
async fn who_hangs_keeps_its_jobs_and_who_is_dead_hands_them_on() {
    let data = DataDir::new();
    let first = builder(&data).start().await;
    let job = begun(&first).await;
    signal(&first, Signal::STOP);
    for _ in 0..TRIES {
        let refused = another(&data).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("pid {}", first.pid())), "it says who has it: {said}");
    }
    signal(&first, Signal::CONT);
    assert_eq!(first.client().status(job).await.status, JobStatus::Running);
    assert_complete(&first.client().wait_end(first.client().run("```sh\ntrue\n```\n").await).await);

    signal(&first, Signal::STOP);
    let pid = first.pid();
    first.kill().await;
    let second = builder(&data).start().await;
    assert_ne!(second.pid(), pid);
    go(&second, job).await;
    assert_ran_once(&second, job).await;
    assert!(second.stop().await.success());
}

/// The copy knows the jobs, and has no part in their sandboxes.
#[tokio::test]
async fn a_copy_that_is_started_beside_the_original_touches_nothing_of_it() {
    let (data, other) = (DataDir::new(), DataDir::new());
    let server = builder(&data).start().await;
    let jobs = [begun(&server).await, begun(&server).await];
    signal(&server, Signal::STOP);
    copy(data.path(), other.path());
    signal(&server, Signal::CONT);
    let before = sandboxes(&data);

    let beside = builder(&other).start().await;
    for job in jobs {
        let ended = beside.client().wait_end(job).await;
        let is_lost = matches!(ended.reason, Some(Reason::SandboxLost | Reason::Interrupted));
        assert!(ended.status == JobStatus::Error && is_lost, "{ended:#?}");
    }
    assert_complete(
        &beside.client().wait_end(beside.client().run("```sh\ntrue\n```\n").await).await,
    );
    assert!(beside.stop().await.success());

    assert_eq!(sandboxes(&data), before);
    for job in jobs {
        assert_eq!(server.client().status(job).await.status, JobStatus::Running);
        go(&server, job).await;
        assert_ran_once(&server, job).await;
    }
    assert!(server.stop().await.success());
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// What lies there of sandboxes.
fn sandboxes(data: &DataDir) -> Vec<String> {
    let all = std::fs::read_dir(data.path().join("sandboxes")).unwrap();
    let mut all: Vec<_> =
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}
