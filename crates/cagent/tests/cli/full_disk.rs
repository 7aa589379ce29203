//! What people are told while a server has no room for what jobs say.

use rustix::fs::statvfs;
use testkit::{Builder, DataDir};
use types::EventKind;

use crate::support::{CAGENT, Running, bash};

#[tokio::test]
async fn who_follows_a_quiet_job_hears_that_the_disk_is_full() {
    let data = DataDir::new();
    let server = Builder::new(CAGENT).data_dir(&data).start().await;
    let job = server.client().run(&bash("echo begun; sleep 1000")).await;
    server.client().events_until(job, |e| matches!(e.event, EventKind::Output { .. })).await;
    let found = statvfs(data.path()).unwrap();
    server.kill().await;

    // Too little for new jobs, and enough for those that run.
    let reserve = found.f_bavail * found.f_frsize / 2 * 3;
    let server = Builder::new(CAGENT).data_dir(&data).env("CAGENT_RESERVE", reserve.to_string());
    let server = server.start().await;
    let mut follows = Running::start(&data, &["logs", "-f", &job.to_string()]);
    follows.line_with("begun").await;
    let said = follows.complaint_with("what the job says may wait").await;
    assert!(said.contains("the server's disk is full"), "{said}");
    server.client().cancel(job).await;
    assert_eq!(follows.end().await, Some(0));
}
