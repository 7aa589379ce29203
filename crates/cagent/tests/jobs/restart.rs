//! What happens to jobs when the orchestrator dies.

use std::path::{Path, PathBuf};

use testkit::{Builder, DataDir};
use types::{Event, EventKind, JobId, JobStatus, Reason, Stream};

use crate::support::{Result, assert_complete};

/// Runs until somebody makes the file `go`; says how often each of its blocks began.
const PATIENT: &str = "```sh\necho first >> begun\necho waiting\nuntil [ -e go ]; do sleep 0.02; done\n```\n\
                       ```sh\necho second >> begun\necho done\n```\n";

fn builder(data: &DataDir) -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(data)
}

#[tokio::test]
async fn a_running_job_goes_on_and_no_step_runs_twice() {
    let data = DataDir::new();
    let server = builder(&data).start().await;
    let job = server.client().run(PATIENT).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    server.kill().await;

    // While nobody is there, the job comes to its end.
    std::fs::write(workspace(job).join("go"), "").unwrap();

    let server = builder(&data).start().await;
    let ended = server.client().wait_end(job).await;
    assert_complete(&ended);
    assert_eq!(Result::of(&server, job).await.text("begun"), "first\nsecond\n");
    assert_eq!(server.client().log(job, Stream::Stdout).await, b"waiting\ndone\n");
    let events =
        server.client().events_until(job, |event| matches!(event.event, EventKind::Ended { .. }));
    assert!(events.await.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap, no repeat");
    assert!(server.stop().await.success());
}

/// Says how often each of its blocks began; the second one hangs the first time.
const HANGS: &str = "```sh\ncd sub 2>/dev/null || mkdir sub; cd sub 2>/dev/null; export WHO=me\necho first >> begun\n```\n\
                     ```sh\necho second >> begun\necho \"waiting for $WHO\"\n\
                     test $(grep -c second begun) = 2 || sleep 1000\n```\n";

#[tokio::test]
async fn a_job_that_lost_its_sandbox_goes_on_in_its_workspace_if_somebody_resumes_it() {
    let data = DataDir::new();
    let server = builder(&data).start().await;
    let old = server.client().run(HANGS).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(old, output).await;
    let killed = std::process::Command::new("kill").args(["-9", &helper(old).to_string()]).status();
    assert!(killed.unwrap().success());
    let ended = server.client().wait_end(old).await;
    assert_eq!((ended.reason, ended.resumable), (Some(Reason::SandboxLost), true), "{ended:#?}");
    assert!(
        Result::of(&server, old).await.text("sub/begun").ends_with("second\n"),
        "it has its ZIP"
    );
    server.kill().await;

    let server = builder(&data).start().await;
    let new = server.client().resume(old).await;
    let job = server.client().wait_end(new).await;
    assert_complete(&job);
    assert_eq!(job.resumes, Some(old));
    assert_eq!(Result::of(&server, new).await.text("sub/begun"), "first\nsecond\nsecond\n");
    assert_eq!(server.client().log(new, Stream::Stdout).await, b"waiting for me\n");
    assert_eq!(server.client().resume(old).await, new, "there is one that goes on");
    assert!(!server.client().wait_end(old).await.resumable);
    assert!(server.stop().await.success());
    let left: Vec<_> =
        std::fs::read_dir(data.path().join("sandboxes")).unwrap().flatten().collect();
    assert!(
        left.iter().all(|entry| !entry.file_name().to_string_lossy().contains('-')),
        "{left:?}"
    );
}

/// A job's helper.
fn helper(job: JobId) -> u32 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let helper = |process: &PathBuf| {
        std::fs::read(process.join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&job.to_string()))
    };
    let helper = processes.into_iter().find(helper).expect("the job's helper");
    helper.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// A job's files as its agent sees them: the orchestrator, which could open them, is dead.
fn workspace(job: JobId) -> PathBuf {
    let pid = helper(job);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Path::new("/proc").join(children.trim()).join("root").join("workspace")
}

#[tokio::test]
async fn accepted_jobs_are_run_by_the_next_orchestrator() {
    let data = DataDir::new();
    let server = builder(&data).arg("--concurrency=1").start().await;
    let first = server.client().run(PATIENT).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(first, output).await;
    let mut waiting = vec![];
    for _ in 0..5 {
        waiting.push(server.client().run("```sh\necho hi\n```\n").await);
    }
    server.client().cancel(first).await;
    server.kill().await;

    let server = builder(&data).start().await;
    assert_eq!(server.client().wait_end(first).await.status, JobStatus::Cancelled);
    for job in waiting {
        assert_complete(&server.client().wait_end(job).await);
        assert_eq!(server.client().log(job, Stream::Stdout).await, b"hi\n");
    }
    assert!(server.stop().await.success());
}
