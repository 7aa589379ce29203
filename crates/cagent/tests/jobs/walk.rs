//! A job's walk: what a user sees of a good job, a failed one and a cancelled one.

use std::path::Path;

use types::{Event, EventKind, JobStatus, Reason, StepOutcome, Stream};

use crate::support::{Result, assert_complete, run, server};

#[tokio::test]
async fn every_example_does_what_it_says() {
    let server = server().await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let job = server.client().run(&std::fs::read_to_string(&path).unwrap()).await;
        let ended = server.client().wait_end(job).await;
        let log = String::from_utf8(server.client().log(job, Stream::Stderr).await).unwrap();
        assert_eq!(ended.status, JobStatus::Complete, "{}: {ended:#?}\n{log}", path.display());
        assert!(!Result::of(&server, job).await.names().is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 4, "the examples are there");
}

#[tokio::test]
async fn a_result_holds_the_files_and_all_that_is_known() {
    let server = server().await;
    let runbook = "# Two files\n\n```bash\necho one > one.txt; mkdir d; echo two > d/two.txt\necho seen; echo heard >&2\n```\n";
    let job = server.client().run(runbook).await;
    assert_complete(&server.client().wait_end(job).await);

    let mut result = Result::of(&server, job).await;
    assert_eq!(result.names(), ["d/two.txt", "one.txt"]);
    assert_eq!(result.text("d/two.txt"), "two\n");
    assert_eq!(result.text(".cagent/runbook.md"), runbook);
    assert_eq!(result.text(".cagent/stdout.log"), "seen\n");
    assert_eq!(result.text(".cagent/stderr.log"), "heard\n");
    let manifest = result.manifest();
    assert_eq!(manifest["job"]["job_id"], job.to_string());
    assert_eq!(manifest["job"]["result"]["status"], "complete");
    let events = result.text(".cagent/events.ndjson");
    let events: Vec<Event> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{events:#?}");
    assert!(events.iter().any(|event| matches!(event.event, EventKind::StepFinished { .. })));

    let status = server.client().status(job).await;
    assert_eq!(status.download_link.as_deref(), Some(&*format!("/download/{job}")));
}

#[tokio::test]
async fn place_and_environment_carry_over() {
    let server = server().await;
    let runbook = "```bash\nmkdir sub; cd sub; export GREETING=hello; local=x\n```\n\
                   ```sh\ntest \"$GREETING\" = hello; test -z \"$local\"; pwd > here\n```\n\
                   ```python\nimport os\nassert os.environ['GREETING'] == 'hello'\n\
                   assert open('here').read() == '/workspace/sub\\n'\n```\n";
    let job = server.client().run(runbook).await;
    assert_complete(&server.client().wait_end(job).await);
}

#[tokio::test]
async fn the_first_failing_block_ends_the_job() {
    let server = server().await;
    let job = server
        .client()
        .run("```sh\necho kept > kept.txt\n```\n```sh\nexit 3\n```\n```sh\ntouch never\n```\n")
        .await;
    let ended = server.client().wait_end(job).await;
    assert_eq!(ended.status, JobStatus::Error);
    assert_eq!((ended.reason, ended.exit_code), (Some(Reason::StepFailed), Some(3)));
    assert_eq!(Result::of(&server, job).await.names(), ["kept.txt"], "partial results are kept");
}

#[tokio::test]
async fn marks_on_blocks_are_obeyed() {
    let server = server().await;
    let runbook = "```sh expect-exit=3\nexit 3\n```\n```sh continue-on-error\nexit 1\n```\n\
                   ```sh cwd=deep/er\npwd > here\n```\n```sh timeout=1s continue-on-error\nsleep 60\n```\n\
                   ```json file=a/b.json\n{}\n```\n";
    let job = server.client().run(runbook).await;
    assert_complete(&server.client().wait_end(job).await);
    let events =
        server.client().events_until(job, |event| matches!(event.event, EventKind::Ended { .. }));
    let outcomes: Vec<StepOutcome> = events
        .await
        .into_iter()
        .filter_map(|event| match event.event {
            EventKind::StepFinished { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    use StepOutcome::{Ok, TimedOut, Tolerated};
    assert_eq!(outcomes, [Ok, Tolerated, Ok, TimedOut, Ok]);
    let names = Result::of(&server, job).await.names();
    assert_eq!(names, ["a/b.json", "deep/er/here"]);
}

#[tokio::test]
async fn a_running_job_is_cancelled_and_packaged() {
    let server = server().await;
    let job = server
        .client()
        .run("```sh\necho kept > kept.txt\necho here\ntrap '' TERM\nsetsid sleep 1234567 &\nwait\n```\n")
        .await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;
    assert!(server.client().cancel(job).await.cancelled);
    let ended = server.client().wait_end(job).await;
    assert_eq!(ended.status, JobStatus::Cancelled);
    assert_eq!(Result::of(&server, job).await.names(), ["kept.txt"]);
    assert!(server.client().cancel(job).await.cancelled, "a second cancel says the same");
}

#[tokio::test]
async fn a_job_is_alone_and_has_no_network() {
    let server = server().await;
    let probe = "test $(id -u) = 1000\n! ls /root /home/* 2>/dev/null | grep -v agent\n\
                 ! cat /etc/shadow\n! touch /usr/x /x\n\
                 test \"$(ls /sys/class/net 2>/dev/null || awk -F: 'NR>2{gsub(/ /,\"\",$1);print $1}' /proc/net/dev)\" = lo\n\
                 test $(ls -d /proc/[0-9]* | wc -l) -lt 12\n! kill -9 1 2>/dev/null || true\n\
                 ! cat /proc/1/environ\n! mount -t tmpfs x /tmp\n! unshare -U true\n\
                 grep -q 'CapEff:.0000000000000000' /proc/self/status";
    let ended = run(&server, "bash", probe).await;
    let log = server.client().log(ended.job_id, Stream::Stderr).await;
    assert_eq!(ended.status, JobStatus::Complete, "{}", String::from_utf8_lossy(&log));
}

#[tokio::test]
async fn limits_are_told_as_reasons() {
    let server = server().await;
    let reason = async |limits: serde_json::Value, code: &str| {
        let prompt = format!("```python\n{code}\n```\n");
        let body = serde_json::json!({ "prompt": prompt, "limits": limits });
        let job = server.client().schedule(&body).await;
        server.client().wait_end(job).await.reason
    };
    let wall = serde_json::json!({ "wall_seconds": 1 });
    assert_eq!(reason(wall, "import time; time.sleep(60)").await, Some(Reason::LimitWall));
    let memory = serde_json::json!({ "memory_bytes": 64 * 1024 * 1024 });
    let hog = "x = bytearray(512 * 1024 * 1024)";
    assert_eq!(reason(memory, hog).await, Some(Reason::LimitMemory));
    let output = serde_json::json!({ "output_bytes": 4096 });
    assert_eq!(reason(output, "print('x' * 10000)").await, Some(Reason::LimitOutput));
}
