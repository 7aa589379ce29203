//! Several commands and servers that come and go on one data directory.

use rustix::process::Signal;
use testkit::{Builder, DataDir};

use crate::support::{CAGENT, Running, bash, call, stdout};

#[tokio::test]
async fn a_second_run_takes_over_when_the_first_one_leaves() {
    let data = DataDir::new();
    let runbook = bash("echo begun; sleep 1000");
    // The first one has the data directory, the second one is its guest.
    let mut first = Running::start(&data, &["run", &runbook]);
    first.line_with("    begun").await;
    let mut second = Running::start(&data, &["run", &runbook]);
    let job = second.line_with("job ").await;
    first.signal(Signal::INT);
    assert_eq!(first.end().await, Some(130));
    second.line_with("    begun").await;
    let ps = stdout(&call(&data, &["ps"]), 0);
    assert!(ps.contains(job.trim_start_matches("job ")) && ps.contains("cancelled"), "{ps}");
    second.signal(Signal::INT);
    second.line_with(": 0 files, ").await;
    assert_eq!(second.end().await, Some(130));
}

#[tokio::test]
async fn a_job_whose_server_is_gone_can_be_cancelled() {
    let data = DataDir::new();
    let mut run = Running::start(&data, &["run", &bash("echo begun; sleep 1000")]);
    let job = run.line_with("job ").await.trim_start_matches("job ").to_owned();
    run.line_with("    begun").await;
    // Killed, as if the machine had no memory left; its sandbox goes on.
    drop(run);
    let status = stdout(&call(&data, &["status", &job]), 0);
    assert!(status.contains("running"), "{status}");
    for command in [&["ps"][..], &["logs", "-f", &job], &["files", &job]] {
        let said = String::from_utf8(call(&data, command).stderr).unwrap();
        assert!(said.starts_with("cagent: no server runs on "), "{said}");
    }
    stdout(&call(&data, &["cancel", &job]), 0);
    let status = stdout(&call(&data, &["status", &job]), 0);
    assert!(status.contains("cancelled") && !status.contains("error"), "{status}");
    let cancel = stdout(&call(&data, &["cancel", &job]), 0);
    assert!(cancel.contains("was cancelled already"), "{cancel}");
}

#[tokio::test]
async fn a_run_outlives_a_restart_of_its_server() {
    let data = DataDir::new();
    let server = Builder::new(CAGENT).data_dir(&data).start().await;
    let mut run = Running::start(&data, &["run", &bash("echo begun; sleep 1000")]);
    let job = run.line_with("job ").await.trim_start_matches("job ").to_owned();
    run.line_with("    begun").await;
    server.kill().await;
    let server = Builder::new(CAGENT).data_dir(&data).start().await;
    server.client().cancel(job.parse().unwrap()).await;
    // Nothing is shown twice.
    assert_eq!(run.line_with("").await, "cancelling");
    assert_eq!(run.end().await, Some(130));
}
