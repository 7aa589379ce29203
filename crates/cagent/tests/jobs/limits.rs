//! Jobs that try to break each of their limits, and a neighbour that must not notice.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{Builder, DataDir, Server};
use types::{Event, EventKind, JobStatus, Reason};

use crate::support::{Result, assert_complete, run};

const MIB: u64 = 1024 * 1024;

/// Honest work: processes, files, a little arithmetic.
const NEIGHBOUR: &str = "for i in $(seq 50); do echo $i > f$i; done; cat f* | sort -n | tail -1\n\
                         python3 -c 'print(sum(range(10**6)))'";

/// How much longer the neighbour may take than alone. Two cores and a noisy machine: the point is
/// that it is not held up for as long as the breaker lasts.
const SLACK: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

async fn server() -> Server {
    Builder::new(env!("CARGO_BIN_EXE_cagent")).arg("--concurrency=3").start().await
}

/// Runs the code with the limits until it does its worst (it says so on stdout), then the
/// neighbour beside it; returns what became of the breaker.
async fn beside(server: &Server, language: &str, code: &str, limits: Value) -> api::Job {
    let alone = neighbour(server).await;
    let prompt = format!("```{language}\n{code}\n```\n");
    let breaker = server.client().schedule(&json!({ "prompt": prompt, "limits": limits })).await;
    let begun = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(breaker, begun).await;
    let together = neighbour(server).await;
    assert!(together <= alone * SLACK + PAUSE, "{alone:?} alone, {together:?} beside {code:?}");
    server.client().wait_end(breaker).await
}

async fn neighbour(server: &Server) -> Duration {
    let began = Instant::now();
    assert_complete(&run(server, "sh", NEIGHBOUR).await);
    began.elapsed()
}

#[tokio::test]
async fn processor_time_is_throttled() {
    let server = server().await;
    let spin = "import os, time\n\
                for _ in range(7): os.fork() or exec('while True: pass')\n\
                print('spinning', flush=True)\n\
                while True: pass";
    let began = Instant::now();
    let ended = beside(&server, "python", spin, json!({ "cpus": 0.5, "wall_seconds": 3 })).await;
    let wall = began.elapsed().as_millis() as u64;
    assert_eq!(ended.reason, Some(Reason::LimitWall), "{ended:#?}");
    let usage = ended.usage.unwrap();
    // Half a core, the period's slack on top; eight spinning processes want two.
    assert!(usage.cpu_ms.unwrap() < wall * 3 / 4, "{usage:?} in {wall} ms");
    assert!(usage.cpu_throttled_ms.unwrap() > 0, "{usage:?}");
}

#[tokio::test]
async fn memory_is_bounded_and_the_reason_told() {
    let server = server().await;
    let hog = "print('growing', flush=True)\nx = []\nwhile True: x.append(bytearray(1 << 20))";
    let ended = beside(&server, "python", hog, json!({ "memory_bytes": 128 * MIB })).await;
    assert_eq!(ended.reason, Some(Reason::LimitMemory), "{ended:#?}");
    let usage = ended.usage.unwrap();
    assert!(usage.oom_kills.unwrap() > 0 && usage.memory_peak_bytes.unwrap() <= 129 * MIB);
}

#[tokio::test]
async fn processes_are_bounded() {
    let server = server().await;
    let bomb = "echo forking; bomb() { bomb | bomb & }; bomb; sleep 1; exit 3";
    let ended = beside(&server, "bash", bomb, json!({ "processes": 64, "wall_seconds": 4 })).await;
    assert_eq!(ended.status, JobStatus::Error, "{ended:#?}");
    let usage = ended.usage.unwrap();
    assert!(usage.processes_refused.unwrap() > 0, "{usage:?}");
    assert!(usage.processes_peak.is_none_or(|peak| peak <= 64), "{usage:?}");
    let events = server.client().events_until(ended.job_id, is_end).await;
    let told = |event: &Event| match &event.event {
        EventKind::Notice { text, .. } => text.contains("limits.processes"),
        _ => false,
    };
    assert!(events.iter().any(told), "{events:#?}");
}

#[tokio::test]
async fn open_files_are_bounded() {
    let server = server().await;
    let greedy = "print('opening', flush=True)\n\
                  x = []\n\
                  try:\n    while True: x.append(open('/dev/null'))\n\
                  except OSError as e: print(e.errno, len(x) < 100)";
    let ended = beside(&server, "python", greedy, json!({ "open_files": 100 })).await;
    assert_complete(&ended);
    let said = server.client().log(ended.job_id, types::Stream::Stdout).await;
    assert_eq!(str::from_utf8(&said), Ok("opening\n24 True\n"));
}

#[tokio::test]
async fn the_disk_is_bounded_and_the_reason_told() {
    let server = server().await;
    let fill = "echo filling; echo kept > kept.txt; head -c 1G /dev/zero > full";
    let ended = beside(&server, "bash", fill, json!({ "disk_bytes": 64 * MIB })).await;
    assert_eq!(ended.reason, Some(Reason::LimitDisk), "{ended:#?}");
    let used = ended.usage.unwrap().disk_bytes.unwrap();
    assert!((32 * MIB..=64 * MIB).contains(&used), "{used}");
    let mut result = Result::of(&server, ended.job_id).await;
    assert_eq!(result.text("kept.txt"), "kept\n");
}

#[tokio::test]
async fn a_file_per_inode_does_not_help() {
    let server = server().await;
    let many = "print('making', flush=True)\n\
                for i in range(10**7): open(str(i), 'w').close()";
    let ended = beside(&server, "python", many, json!({ "disk_bytes": 16 * MIB })).await;
    assert_eq!(ended.reason, Some(Reason::LimitDisk), "{ended:#?}");
}

#[tokio::test]
async fn jobs_that_fill_the_servers_disk_are_ended_and_the_rest_goes_on() {
    let (home, server) = server_on_small_disk().await;
    let client = server.client();
    let neighbour = client.run("```sh\necho there\nsleep 9\necho kept > kept.txt\n```\n").await;
    let prompt = "```sh\nhead -c 2G /dev/urandom > f\nsync\n```\n";
    let body = json!({ "prompt": prompt });
    for job in join_all([client.schedule(&body), client.schedule(&body)]).await {
        let ended = client.wait_end(job).await;
        assert_eq!((ended.status, ended.reason), (JobStatus::Error, Some(Reason::LimitDisk)));
        assert!(ended.error.as_ref().unwrap().contains("the server's disk"), "{ended:#?}");
    }
    assert_complete(&client.wait_end(neighbour).await);
    assert_complete(&run(&server, "sh", "echo again").await);
    drop((server, home));
}

/// A server whose data lies on a file system of 400 MB that nobody else sees.
async fn server_on_small_disk() -> (tempfile::TempDir, Server) {
    let home = tempfile::tempdir().unwrap();
    let (data, program) = (DataDir::new(), home.path().join("cagent"));
    let (disk, image) = (data.path().parent().unwrap(), home.path().join("image"));
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = inside ] || exec unshare --mount \"$0\" inside \"$@\"\n\
         shift\n\
         truncate -s 400M '{image}' && /sbin/mkfs.ext4 -q '{image}' &&\n\
         mount -o loop '{image}' '{disk}' && exec '{cagent}' \"$@\"\n",
        image = image.display(),
        disk = disk.display(),
        cagent = env!("CARGO_BIN_EXE_cagent"),
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let builder = Builder::new(&program).data_dir(&data).arg("--concurrency=3");
    (home, builder.env("CAGENT_RESERVE", "128M").start().await)
}

#[tokio::test]
async fn output_is_bounded_and_the_reason_told() {
    let server = server().await;
    let ended = beside(&server, "sh", "yes", json!({ "output_bytes": MIB })).await;
    assert_eq!(ended.reason, Some(Reason::LimitOutput), "{ended:#?}");
    assert_eq!(ended.usage.unwrap().output_bytes, Some(MIB));
}

#[tokio::test]
async fn one_line_of_a_gigabyte_is_output_like_any_other() {
    let server = server().await;
    let line = "head -c 1G /dev/zero | tr '\\0' x";
    let ended = beside(&server, "bash", line, json!({ "output_bytes": 32 * MIB })).await;
    assert_eq!(ended.reason, Some(Reason::LimitOutput), "{ended:#?}");
}

#[tokio::test]
async fn wall_time_is_kept_while_no_orchestrator_runs() {
    let server = server().await;
    let prompt = "```sh\necho there\nsleep 6543219\n```\n";
    let body = json!({ "prompt": prompt, "limits": { "wall_seconds": 2 } });
    let job = server.client().schedule(&body).await;
    let begun = |event: &Event| matches!(event.event, EventKind::Output { .. });
    server.client().events_until(job, begun).await;
    let data = server.data_dir().clone();
    server.kill().await;
    let gone = || {
        !std::process::Command::new("pgrep")
            .args(["-f", "sleep 654321[9]"])
            .output()
            .unwrap()
            .status
            .success()
    };
    let began = Instant::now();
    while !gone() {
        assert!(began.elapsed() < testkit::PATIENCE, "the job outlived its wall time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).start().await;
    assert_eq!(server.client().wait_end(job).await.reason, Some(Reason::LimitWall));
}

#[tokio::test]
async fn limits_that_make_no_sense_or_are_above_the_ceiling_are_refused() {
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent"))
        .env("CAGENT_CEILING_MEMORY_BYTES", "1G")
        .start()
        .await;
    for (limits, field) in [
        (json!({ "memory_bytes": 2 << 30 }), "limits.memory_bytes"),
        (json!({ "processes": 0 }), "limits.processes"),
        (json!({ "cpus": -1 }), "limits.cpus"),
        (json!({ "wall_seconds": 0 }), "limits.wall_seconds"),
        (json!({ "disk_bytes": 1 }), "limits.disk_bytes"),
    ] {
        let body = json!({ "prompt": "```sh\ntrue\n```\n", "limits": limits });
        let answer = server.client().post("/schedule", &body).await;
        assert_eq!(answer.status(), 422, "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], field, "{problem:#}");
    }
    assert!(server.client().jobs().await.jobs.is_empty());
    let default = run(&server, "sh", "true").await;
    assert_eq!(default.limits.memory_bytes, 1 << 30, "a default above the ceiling is lowered");
}

fn is_end(event: &Event) -> bool {
    matches!(event.event, EventKind::Ended { .. })
}
