//! A copy of a server that works, started somewhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::Value;
use testkit::{Builder, DataDir, Server};
use types::{Event, EventKind, JobId, JobStatus, Reason, Stream};

use crate::support::{Result, assert_complete};

/// Jobs that are under way or over while the copy is made.
const JOBS: usize = 50;

fn builder(data: &DataDir, output: &Path) -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(data).env("AGENT_OUTPUT_DIR", output)
}

fn call(data: &DataDir, output: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cagent"));
    command.args(args).arg("--data-dir").arg(data.path()).env("AGENT_OUTPUT_DIR", output);
    command.output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(why), "{said}");
}

struct Place {
    data: DataDir,
    output: PathBuf,
}

impl Place {
    fn new() -> Self {
        let data = DataDir::new();
        let output = data.path().with_file_name("results");
        Self { data, output }
    }

    async fn start(&self) -> Server {
        builder(&self.data, &self.output).start().await
    }

    fn call(&self, args: &[&str]) -> Output {
        call(&self.data, &self.output, args)
    }
}

fn is_output(event: &Event) -> bool {
    matches!(event.event, EventKind::Output { .. })
}

async fn delete(server: &Server, job: JobId) {
    let url = format!("{}/v1/jobs/{job}", server.url());
    let sent = testkit::http_client().request(Method::DELETE, url).send().await.unwrap();
    assert!(sent.status().is_success(), "{sent:?}");
}

#[tokio::test]
async fn a_copy_under_load_accounts_for_every_job() {
    let (from, to) = (Place::new(), Place::new());
    let server = from.start().await;
    let old = server.client().run("```sh\necho old > old\n```\n").await;
    server.client().wait_end(old).await;
    let runs = server.client().run("```sh\necho said\nsleep 1000\n```\n").await;
    server.client().events_until(runs, is_output).await;
    let mut jobs = vec![];
    for n in 0..JOBS {
        let runbook = format!("```sh\nhead -c 200000 /dev/urandom | tee data{n} | md5sum\n```\n");
        jobs.push(server.client().run(&runbook).await);
    }
    server.client().wait_end(jobs[9]).await;
    let backup = from.data.path().with_file_name("backup");
    let name = backup.to_str().unwrap().to_owned();
    let (data, output) = (from.data.clone(), from.output.clone());
    let copied =
        tokio::task::spawn_blocking(move || call(&data, &output, &["backup", &name, "-o", "json"]));
    for job in &jobs[..5] {
        delete(&server, *job).await;
    }
    let made = done(&copied.await.unwrap());
    refused(&from.call(&["backup", backup.to_str().unwrap()]), "is there already");
    server.client().cancel(runs).await;

    let restored = done(&to.call(&["restore", backup.to_str().unwrap(), "-o", "json"]));
    assert_eq!(restored["jobs"], made["jobs"]);
    assert!(made["queued"].is_u64() && restored["queued"] == made["queued"], "{made} {restored}");
    assert_eq!(made["missing"], serde_json::json!([]));
    let again = to.call(&["restore", backup.to_str().unwrap()]);
    refused(&again, "is not empty");
    let copy = to.start().await;
    let mut ends = BTreeMap::<_, usize>::new();
    let there: Vec<JobId> = copy.client().jobs().await.jobs.iter().map(|job| job.job_id).collect();
    for job in &there {
        let end = copy.client().wait_end(*job).await;
        let seqs = copy.client().events_until(*job, |e| matches!(e.event, EventKind::Ended { .. }));
        assert!(seqs.await.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap");
        *ends.entry(end.status.as_str()).or_default() += 1;
        if *job != runs && *job != old {
            assert_sound(&copy, *job).await;
        }
    }
    assert_eq!(there.len() as u64, made["jobs"].as_u64().unwrap());
    let gone = jobs[..5].iter().filter(|job| !there.contains(job)).count();
    assert_eq!(there.len() + gone, JOBS + 2, "{ends:?}");
    let broken = copy.client().job(runs).await;
    assert_eq!(broken.status, JobStatus::Error);
    assert_eq!(broken.reason, Some(Reason::Interrupted));
    assert_eq!(copy.client().log(runs, Stream::Stdout).await, b"said\n");
    assert_eq!(Result::of(&copy, old).await.text("old"), "old\n");
    assert!(copy.stop().await.success());
    for job in &jobs[5..] {
        assert_complete(&server.client().wait_end(*job).await);
    }
}

/// Complete with all it made, or interrupted with what was known of it.
async fn assert_sound(server: &Server, job: JobId) {
    let end = server.client().job(job).await;
    let mut zip = Result::of(server, job).await;
    let manifest = zip.manifest();
    for file in manifest["files"].as_array().unwrap() {
        let bytes = zip.bytes(file["path"].as_str().unwrap());
        assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap(), "{manifest}");
    }
    match end.status {
        JobStatus::Complete => {
            assert_eq!(zip.names().len(), 1);
            let log = server.client().log(job, Stream::Stdout).await;
            assert_eq!(log, zip.bytes(".cagent/stdout.log"));
            assert!(!log.is_empty());
        }
        _ => assert_eq!(end.reason, Some(Reason::Interrupted), "{end:?}"),
    }
}

#[tokio::test]
async fn what_is_damaged_is_not_restored() {
    let from = Place::new();
    let server = from.start().await;
    let job = server.client().run("```sh\necho hi\n```\n").await;
    server.client().wait_end(job).await;
    server.stop().await;
    let backup = from.data.path().with_file_name("backup");
    let name = backup.to_str().unwrap();
    assert_eq!(done(&from.call(&["backup", name, "-o", "json"]))["jobs"], 1);
    assert!(!backup.join("local.key").exists());

    let log = backup.join(format!("jobs/{job}/stdout.log"));
    fs::write(&log, "ho\n").unwrap();
    let to = Place::new();
    refused(&to.call(&["restore", name]), "stdout.log: it has 3 bytes");
    assert!(!to.data.path().join("cagent.db").exists());
    fs::remove_file(&log).unwrap();
    refused(&to.call(&["restore", name]), "stdout.log");
    fs::write(&log, "hi\n").unwrap();
    assert_eq!(done(&to.call(&["restore", name, "-o", "json"]))["jobs"], 1);
    let server = to.start().await;
    assert_complete(&server.client().job(job).await);
    refused(&Place::new().call(&["backup", "/nowhere/x"]), "no jobs were ever kept");
}
