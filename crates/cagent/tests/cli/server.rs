//! The commands that look, at a server that runs.

use std::fs;
use std::os::unix::fs::FileExt as _;

use rustix::param::page_size;
use rustix::process::Signal;
use testkit::{DataDir, Server};
use types::EventKind;

use crate::support::{CAGENT, Running, bash, call, json, refusal, stdout};

async fn with_a_job() -> (Server, String) {
    let server = Server::start(CAGENT).await;
    let runbook = bash("echo out; printf 'raw \\377\\033[1m'; echo err >&2; echo x > x.txt");
    let job = server.client().run(&runbook).await;
    server.client().wait_end(job).await;
    (server, job.to_string())
}

/// Everything is blocking from here on, and the server is a process of its own.
#[tokio::test]
async fn a_job_that_is_over() {
    let (server, job) = with_a_job().await;
    let data = server.data_dir();

    let ps = stdout(&call(data, &["ps"]), 0);
    let row = ps.lines().find(|line| line.starts_with(&job)).unwrap();
    assert!(row.contains("complete") && row.contains("echo out"), "{ps}");
    assert_eq!(json(&call(data, &["ps", "-o", "json"]), 0)["jobs"][0]["job_id"], *job);

    let status = stdout(&call(data, &["status", &job]), 0);
    assert!(status.contains("memory_bytes=2G") && status.contains("wall_seconds=1h"), "{status}");
    assert!(status.contains("complete") && status.contains("output.zip"), "{status}");
    assert_eq!(json(&call(data, &["status", &job, "-o", "json"]), 0)["status"], "complete");

    for part in [&job[..35], &job[20..]] {
        let status = stdout(&call(data, &["status", part]), 0);
        assert!(status.contains(&job), "{status}");
    }

    let logs = call(data, &["logs", &job]);
    assert_eq!(logs.stdout, b"out\nraw \xff\x1b[1m", "byte for byte into a pipe");
    assert_eq!(call(data, &["logs", &job, "--stderr"]).stdout, b"err\n");
    assert_eq!(call(data, &["logs", &job, "--stderr", "-f"]).stdout, b"err\n");
    let logs = json(&call(data, &["logs", &job, "--stderr", "-o", "json"]), 0);
    assert_eq!(logs["full_log"], "err\n");

    let cancel = json(&call(data, &["cancel", &job, "-o", "json"]), 0);
    assert_eq!(cancel["cancelled"], false);
    let cancel = stdout(&call(data, &["cancel", &job]), 0);
    assert!(cancel.contains("is over: complete"), "{cancel}");
}

#[tokio::test]
async fn a_zip_is_saved_where_it_is_wanted() {
    let (server, job) = with_a_job().await;
    let data = server.data_dir();
    let folder = data.path().parent().unwrap();
    let zip = server.client().download(job.parse().unwrap()).await;
    stdout(&call(data, &["download", &job]), 0);
    assert_eq!(std::fs::read(folder.join(format!("{job}.zip"))).unwrap(), zip);
    let refused = refusal(&call(data, &["download", &job]));
    assert!(refused.contains("is there already; --output"), "{refused}");
    let said = json(&call(data, &["download", &job, "--output", "my.zip", "-o", "json"]), 0);
    assert_eq!(said["bytes"], zip.len());
    assert_eq!(std::fs::read(folder.join("my.zip")).unwrap(), zip);
    assert_eq!(call(data, &["download", &job, "--output", "-"]).stdout, zip);
    let refused = refusal(&call(data, &["download", &job, "--output", "no/such/folder.zip"]));
    assert!(refused.contains("no/such/folder.zip"), "{refused}");
}

#[tokio::test]
async fn a_job_that_runs_is_followed_and_cancelled() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let id = client.run(&bash("echo begun; sleep 1000")).await;
    let job = id.to_string();
    client.events_until(id, |e| matches!(e.event, EventKind::Output { .. })).await;

    let refused = refusal(&call(data, &["download", &job]));
    assert!(refused.contains("running; `cagent logs -f JOB`"), "{refused}");
    let mut logs = Running::start(data, &["logs", "--follow", &job]);
    logs.line_with("begun").await;
    assert!(stdout(&call(data, &["cancel", &job]), 0).contains("cancelled"));
    assert_eq!(logs.end().await, Some(0));
    assert_eq!(client.job(id).await.status, types::JobStatus::Cancelled);
}

#[tokio::test]
async fn a_job_that_waits_is_seen_in_the_list() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let body =
        serde_json::json!({ "prompt": bash("echo begun"), "mode": "runbook", "approve": true });
    let job = client.schedule(&body).await;
    client.events_until(job, |e| matches!(e.event, EventKind::Waiting { .. })).await;

    let ps = stdout(&call(data, &["ps"]), 0);
    assert!(ps.contains(" running, waiting "), "{ps}");
    let waiting = &json(&call(data, &["ps", "-o", "json"]), 0)["jobs"][0]["waiting"];
    assert!(waiting["for"] == "approval" && waiting["step"] == 1, "{waiting}");

    stdout(&call(data, &["approve", &job.to_string()]), 0);
    client.wait_end(job).await;
    let ps = stdout(&call(data, &["ps"]), 0);
    assert!(ps.contains(" complete ") && !ps.contains("waiting"), "{ps}");
}

#[tokio::test]
async fn a_server_is_found_by_its_address_too() {
    let (server, job) = with_a_job().await;
    let elsewhere = DataDir::new();
    let short = server.url().trim_start_matches("http://");
    for url in [server.url(), short] {
        let status = stdout(&call(&elsewhere, &["--server", url, "status", &job]), 0);
        assert!(status.contains("complete"), "{status}");
    }
    assert!(!elsewhere.path().exists(), "nothing is made where nothing is kept");
    let run = call(&elsewhere, &["run", "--server", server.url(), &bash("exit 4")]);
    stdout(&run, 4);
    assert_eq!(server.client().jobs().await.jobs.len(), 2);
}

#[tokio::test]
async fn a_server_that_stops_is_started_again_with_all_it_had() {
    let (server, job) = with_a_job().await;
    let data = server.data_dir().clone();
    assert_eq!(server.stop().await.code(), Some(0));
    let status = stdout(&call(&data, &["status", &job]), 0);
    assert!(status.contains("complete"), "{status}");
    let again = testkit::Builder::new(CAGENT).data_dir(&data).start().await;
    assert_eq!(again.client().jobs().await.jobs.len(), 1);
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_the_job() {
    let server = Server::start(CAGENT).await;
    let stubborn = bash("trap '' TERM; echo begun; while :; do sleep 1; done");
    let mut run = Running::start(server.data_dir(), &["run", &stubborn]);
    let job = run.line_with("job ").await.trim_start_matches("job ").parse().unwrap();
    run.line_with("    begun").await;
    run.signal(Signal::INT);
    run.line_with("cancelling").await;
    run.signal(Signal::INT);
    assert_eq!(run.said().await, "cagent: left; the job is still being cancelled\n");
    assert_eq!(run.end().await, Some(130));
    server.client().wait_end(job).await;
}

#[tokio::test]
async fn a_run_that_has_to_wait_says_so() {
    let server = testkit::Builder::new(CAGENT).arg("--concurrency=1").start().await;
    let first = server.client().run(&bash("sleep 1000")).await;
    let mut run = Running::start(server.data_dir(), &["run", &bash("echo begun")]);
    run.line_with("waiting for a free slot").await;
    server.client().cancel(first).await;
    run.line_with("    begun").await;
    assert_eq!(run.end().await, Some(0));
}

/// They are larger than all else that an idle server needs.
#[tokio::test]
async fn the_programs_for_sandboxes_are_not_kept_in_memory() {
    let server = Server::start(CAGENT).await;
    let tools = server.data_dir().path().join("tools");
    let folder = fs::read_dir(tools).unwrap().next().unwrap().unwrap().path();
    let ours = fs::read(CAGENT).unwrap();
    for name in ["sandbox-helper", "inside/bin/agentd", "inside/bin/ts"] {
        let program = fs::read(folder.join(name)).unwrap();
        let begins = memchr::memmem::find(&ours, &program).expect("it is embedded as it is");
        let pages = resident(server.pid(), begins, program.len());
        let all = pages.len();
        let kept = pages.into_iter().filter(|kept| *kept).count();
        // The kernel maps a few beside those that are read.
        assert!(kept * 10 < all, "{kept} of {all} pages of {name}");
    }
}

/// Which pages of a part of a process's program are mapped to memory.
fn resident(pid: u32, begins: usize, bytes: usize) -> Vec<bool> {
    let number = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    // What is only read of a program comes first.
    let first: Vec<_> = maps.lines().next().unwrap().split_whitespace().collect();
    let (start, end) = first[0].split_once('-').unwrap();
    let place = number(start) + begins - number(first[2]);
    assert!(place + bytes <= number(end), "{first:?} has all of it");
    let page = page_size();
    let mut entries = vec![0; bytes / page * 8];
    let pagemap = fs::File::open(format!("/proc/{pid}/pagemap")).unwrap();
    pagemap.read_exact_at(&mut entries, (place / page * 8) as u64).unwrap();
    // Bit 63: present.
    entries.chunks(8).map(|entry| entry[7] & 0x80 != 0).collect()
}
