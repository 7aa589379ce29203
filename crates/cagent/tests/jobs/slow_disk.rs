//! A job that says more than the disk takes: it is held back, nothing is lost, and the server answers.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::{Builder, DataDir, PATIENCE, Server};
use types::{Event, EventKind, JobId, JobStatus, Stream};

use crate::support::assert_complete;

/// What the job says, in lines that say which they are and how many there were before.
const LINES: usize = 800_000;
const LINE_BYTES: usize = 40;

/// How much of its 32 MB the job may be ahead of what is kept: a pipe of 1 MiB, agentd's outbox of 8,
/// and what both round up.
const MOST_AHEAD: usize = 12 << 20;

/// More than is on its way where the disk keeps up.
const FASTER: usize = 1 << 20;

/// How long a small question may take on a loaded machine with a debug build.
const SOON: Duration = Duration::from_secs(5);

/// Says how far it is where nobody is slow.
const SAYS: &str = "import os\n\
    for n in range(LINES):\n\
    \x20   print(f'{n:039}', flush=n % 100 == 99)\n\
    \x20   if n % 1000 == 999:\n\
    \x20       open('.said', 'w').write(str(n + 1))\n\
    \x20       os.rename('.said', 'said')\n";

#[tokio::test]
async fn who_says_more_than_the_disk_takes_is_held_back_and_loses_nothing() {
    let data = DataDir::new();
    let shim = slow_disk(&data);
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data);
    let server = server.env("LD_PRELOAD", &shim).start().await;
    let code = SAYS.replace("LINES", &LINES.to_string());
    let job = server.client().run(&format!("```python\n{code}```\n")).await;
    let output = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, output).await;

    let begun = Instant::now();
    let mut ahead = vec![];
    while server.client().status(job).await.status == JobStatus::Running {
        assert!(begun.elapsed() < 3 * PATIENCE, "ahead, in bytes: {ahead:?}");
        ahead.extend(how_far_ahead(&server, job).await);
    }
    assert!(ahead.iter().all(|bytes| *bytes <= MOST_AHEAD), "{ahead:?}");
    assert!(ahead.iter().any(|bytes| *bytes > FASTER), "the disk keeps up: {ahead:?}");

    assert_complete(&server.client().wait_end(job).await);
    let log = server.client().log(job, Stream::Stdout).await;
    assert_eq!(log.len(), LINES * LINE_BYTES);
    let lines = log.chunks(LINE_BYTES).map(|line| std::str::from_utf8(line).unwrap().trim_end());
    assert!(lines.zip(0..).all(|(line, n)| line.parse() == Ok(n)), "each once, in order");
    let ended = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let events = server.client().events_until(job, ended).await;
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap, no repeat");
}

/// How many bytes the job has said that are not kept yet; each question is answered soon.
async fn how_far_ahead(server: &Server, job: JobId) -> Option<usize> {
    let begun = Instant::now();
    let said = server.client().get(&format!("/v1/jobs/{job}/files/said")).await;
    let said = said.status().is_success().then_some(said)?.text().await.unwrap();
    let log = server.data_dir().path().join(format!("jobs/{job}/stdout.log"));
    let kept = std::fs::metadata(log).unwrap().len();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let said = said.parse::<usize>().unwrap() * LINE_BYTES;
    Some(said.saturating_sub(usize::try_from(kept).unwrap()))
}

/// The library that makes a server's disk slow.
fn slow_disk(data: &DataDir) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/jobs/slow_disk.c");
    let library = data.path().with_file_name("slow_disk.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    let made = cc.output().expect("cc: apt-get install gcc libc6-dev");
    assert!(made.status.success(), "{made:?}");
    library
}
