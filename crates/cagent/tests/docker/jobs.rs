use std::time::Duration;

use serde_json::json;
use testkit::PATIENCE;
use types::{Event, EventKind, JobStatus, Reason, Stream};

use crate::support::{Bed, assert_complete, file, run};

#[tokio::test]
async fn a_job_runs_and_its_files_come_back() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = bed.server().await;
        let code = "id -u; echo $HOME; (sleep 100 &) ; mkdir d; echo hello > d/out; which ts";
        let job = run(&server, "bash", code).await;
        assert_complete(&job);
        let log = server.client().log(job.job_id, Stream::Stdout).await;
        assert_eq!(String::from_utf8(log).unwrap(), "1000\n/home/agent\n/opt/cagent/bin/ts\n");
        assert_eq!(file(&server, job.job_id, "d/out").await, "hello\n");
        let sandbox = serde_json::to_value(&job.sandbox).unwrap();
        assert_eq!(
            (&sandbox["engine"], &sandbox["isolation"]),
            (&json!("docker"), &json!("container"))
        );
        let job = run(&server, "python", "import sys; sys.exit(3)").await;
        assert_eq!(
            (job.status, job.reason),
            (JobStatus::Error, Some(Reason::StepFailed)),
            "{job:#?}"
        );
        assert_eq!(bed.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_job_outlives_the_server() {
    for bed in [Bed::mounted(), Bed::bridged()] {
        let server = bed.server().await;
        let code = "echo one; until test -e go; do sleep 0.1; done; echo two";
        let job =
            server.client().run(&format!("```bash\n{code}\n```\n```bash\ntouch done\n```\n")).await;
        let begun = |event: &Event| matches!(event.event, EventKind::Output { .. });
        server.client().events_until(job, begun).await;
        server.kill().await;
        let touched = bed.daemon.docker(&[
            "exec",
            "-u",
            "1000",
            &bed.container(job),
            "touch",
            "/workspace/go",
        ]);
        assert!(touched.status.success(), "{touched:?}");
        let server = bed.server().await;
        let job = server.client().wait_end(job).await;
        assert_complete(&job);
        let log = server.client().log(job.job_id, Stream::Stdout).await;
        assert_eq!(String::from_utf8(log).unwrap(), "one\ntwo\n", "nothing was run twice");
    }
}

#[tokio::test]
async fn a_container_that_is_taken_away_ends_its_job() {
    let bed = Bed::mounted();
    let server = bed.server().await;
    let job = server.client().run("```bash\necho up; sleep 1000\n```\n").await;
    let begun = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, begun).await;
    bed.daemon.docker(&["rm", "-f", &bed.container(job)]);
    let job = server.client().wait_end(job).await;
    assert_eq!((job.status, job.reason), (JobStatus::Error, Some(Reason::SandboxLost)), "{job:#?}");
}

#[tokio::test]
async fn thirty_at_once() {
    let bed = Bed::mounted();
    let server = bed.builder().env("CAGENT_CONCURRENCY", "30").start().await;
    let mut all = Vec::new();
    for n in 0..30 {
        all.push(server.client().run(&format!("```bash\necho {n} > out\n```\n")).await);
    }
    for (n, job) in all.into_iter().enumerate() {
        assert_complete(&server.client().wait_end(job).await);
        assert_eq!(file(&server, job, "out").await, format!("{n}\n"));
    }
    assert_eq!(bed.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_without_the_usual_image_is_not_ready() {
    let bed = Bed::mounted();
    let missing = "containerized-agent:missing";
    let server = bed.builder().env("AGENT_IMAGE", missing).start().await;
    let says_so = async {
        loop {
            let answer = server.client().get("/readyz").await;
            assert_eq!(answer.status(), 503);
            let said = answer.text().await.unwrap();
            // Until the daemon was tried, it has not answered in time.
            if said.contains(missing) && said.contains("cagent image build") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, says_so).await.expect("it names the image");
}
