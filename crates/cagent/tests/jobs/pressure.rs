//! More than the orchestrator can pass on, more than anybody reads, more than can run: it costs
//! bounded memory and holds nobody up. Figures are `make bench`'s; here fewer bytes and jobs than
//! there (64 MB for 1 GB, 300 jobs for 10,000, 40 clients for 500).

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::{Builder, DataDir, Server};
use types::{Event, EventKind, JobId, JobStatus, Stream};

use crate::support::{assert_complete, run, server};

const MIB: u64 = 1024 * 1024;
const LOG_BYTES: usize = 64_000_000;
const STALLED: usize = 40;
const QUEUED: usize = 300;

/// How long a small question may take on a loaded machine with a debug build. Who waits for a flood
/// or for a client that does not read waits for ever.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_big_log_takes_little_memory() {
    let server = server().await;
    assert_complete(&run(&server, "sh", &lines(1_000_000)).await);
    let before = peak(&server);
    let job = run(&server, "sh", &lines(LOG_BYTES)).await;
    assert_complete(&job);
    let growth = (peak(&server) - before) / MIB;
    assert!(growth <= 10, "it grew by {growth} MiB");
    assert_eq!(server.client().log(job.job_id, Stream::Stdout).await.len(), LOG_BYTES);
}

#[tokio::test]
async fn a_flood_and_clients_that_do_not_read_hold_nobody_up() {
    let server = server().await;
    let flood = server.client().run("```sh\nexec yes 01234567890123456789\n```\n").await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(flood, output).await;
    let before = peak(&server);
    let stalled: Vec<TcpStream> = (0..STALLED).map(|_| follow(&server, flood)).collect();
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(server.client().status(flood).await.status, JobStatus::Running);
        let took = begun.elapsed();
        assert!(took < SOON, "{took:?}");
    }
    assert_complete(&run(&server, "sh", "echo done").await);
    let growth = (peak(&server) - before) / MIB;
    assert!(growth <= 64, "it grew by {growth} MiB");
    server.client().cancel(flood).await;
    assert_eq!(server.client().wait_end(flood).await.status, JobStatus::Cancelled);
    drop(stalled);
}

#[tokio::test]
async fn a_long_queue_survives_a_kill_and_is_looked_at_at_once() {
    let data = DataDir::new();
    let builder =
        || Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).args(["--concurrency", "1"]);
    let server = builder().start().await;
    let runs = server.client().run("```sh\nuntil [ -e go ]; do sleep 0.05; done\n```\n").await;
    let mut waiting = vec![];
    for n in 0..QUEUED {
        waiting.push(server.client().run(&format!("```sh\necho {n}\n```\n")).await);
    }
    server.kill().await;
    let server = builder().start().await;
    for job in &waiting {
        let begun = Instant::now();
        assert_eq!(server.client().status(*job).await.status, JobStatus::Scheduled);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    let (first, second) = (waiting[0], waiting[1]);
    for job in waiting.iter().skip(2).chain([&runs]) {
        server.client().cancel(*job).await;
    }
    for job in [first, second] {
        assert_complete(&server.client().wait_end(job).await);
    }
    let (first, second) = (server.client().job(first).await, server.client().job(second).await);
    assert!(first.completed.unwrap() <= second.started.unwrap(), "in their order");
    assert!(server.stop().await.success());
}

fn lines(bytes: usize) -> String {
    format!("yes 'a line of a log, as long as many are: 0123456789' | head -c {bytes}")
}

/// Asks for a job's events and reads none of them.
fn follow(server: &Server, job: JobId) -> TcpStream {
    let host = server.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    stream
}

/// The most memory that the server ever had, in bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
