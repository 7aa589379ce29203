//! Five hundred mixed jobs leave nothing behind. A program of its own, so that its jobs have the
//! machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{Builder, Client, DataDir, PATIENCE, Server};
use types::{JobId, JobStatus, Reason};

const JOBS: usize = 500;

/// What a job does, what it may use, and how it ends if nobody cancels it.
struct Kind {
    runbook: &'static str,
    limits: Value,
    ends: Option<Reason>,
}

/// Good, failing, noisy, stubborn, long, greedy: one of each in every ten jobs.
fn kinds() -> [Kind; 10] {
    let kind = |runbook, limits, ends| Kind { runbook, limits, ends };
    let good = |runbook| kind(runbook, json!({}), Some(Reason::Finished));
    const MIB: u64 = 1024 * 1024;
    [
        good("```sh\necho hi > a.txt; echo hi\n```\n"),
        kind("```sh\nexit 7\n```\n", json!({}), Some(Reason::StepFailed)),
        good("```python\nimport os\nos.mkfifo('f')\nprint('x' * 100000)\n```\n"),
        good("```bash\n(trap '' TERM HUP INT; setsid sleep 5432101 &)\necho left a daemon\n```\n"),
        // Never ends by itself.
        kind("```bash\ntrap '' TERM\nsleep 5432102 &\nwait\n```\n", json!({}), None),
        good("```sh\nfor i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.02; done\n```\n"),
        kind(
            "```python\nx = bytearray(1 << 30)\n```\n",
            json!({ "memory_bytes": 64 * MIB }),
            Some(Reason::LimitMemory),
        ),
        kind(
            "```sh\nyes | head -c 100000\n```\n",
            json!({ "output_bytes": 4096 }),
            Some(Reason::LimitOutput),
        ),
        kind(
            "```sh\nhead -c 64000000 /dev/zero > full\n```\n",
            json!({ "disk_bytes": 16 * MIB }),
            Some(Reason::LimitDisk),
        ),
        kind("```sh\nsleep 5432103\n```\n", json!({ "wall_seconds": 1 }), Some(Reason::LimitWall)),
    ]
}

#[tokio::test]
async fn five_hundred_mixed_jobs_leave_nothing() {
    let data = DataDir::new();
    let temporary = tempfile::tempdir().unwrap();
    let before = Traces::of(&data, &[]);
    assert_eq!(before, Traces::default(), "a new data directory has no traces yet");
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent"))
        .data_dir(&data)
        .arg("--concurrency=8")
        .env("TMPDIR", temporary.path())
        .start()
        .await;
    let kinds = kinds();
    let mut random = fastrand::Rng::new();
    let mut jobs = vec![];
    for kind in kinds.iter().cycle().take(JOBS) {
        let body = json!({ "prompt": kind.runbook, "limits": kind.limits });
        let job = server.client().schedule(&body).await;
        let cancel = kind.ends.is_none() || random.u8(..3) == 0;
        // From while it waits to after its end.
        let after = cancel.then(|| Duration::from_millis(random.u64(..20_000)));
        jobs.push((job, kind, after));
    }
    let ends = jobs.iter().map(|(job, kind, after)| end(server.client(), *job, kind, *after));
    join_all(ends).await;
    nothing_is_left(&data, server, &jobs.iter().map(|(job, ..)| *job).collect::<Vec<_>>()).await;
    assert_eq!(entries(temporary.path()), BTreeSet::new(), "temporary files");
}

/// Sees one job to its end, cancelling it after a while if it is to be.
async fn end(client: &Client, job: JobId, kind: &Kind, cancel_after: Option<Duration>) {
    if let Some(after) = cancel_after {
        tokio::time::sleep(after).await;
        client.cancel(job).await;
    }
    while !over(client, job).await {}
    let ended = client.job(job).await;
    let cancelled = cancel_after.is_some() && ended.status == JobStatus::Cancelled;
    assert!(cancelled || ended.reason == kind.ends, "{}: {ended:#?}", kind.runbook);
    assert!(!client.download(job).await.is_empty());
}

/// Whether a job is over, within a minute; the last ones wait for all others.
async fn over(client: &Client, job: JobId) -> bool {
    let answer = client.get(&format!("/status/{job}?wait=60")).await;
    let status: api::Status = answer.json().await.unwrap();
    status.status.is_final()
}

async fn nothing_is_left(data: &DataDir, server: Server, jobs: &[JobId]) {
    assert_eq!(sandboxes(data), BTreeSet::new(), "sandboxes");
    for job in jobs {
        let known = ["output.zip", "stderr.log", "stdout.log"].map(str::to_owned);
        let left = entries(&data.path().join(format!("jobs/{job}")));
        assert!(left.is_subset(&known.into()), "job {job}: {left:?}");
    }
    assert!(server.stop().await.success());
    no_traces(data, jobs);
}

/// The folders of sandboxes; what the engine keeps for all of them is not one.
fn sandboxes(data: &DataDir) -> BTreeSet<String> {
    let all = entries(&data.path().join("sandboxes"));
    all.into_iter().filter(|name| name.parse::<JobId>().is_ok()).collect()
}

/// What jobs may leave on a machine.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    sockets: BTreeSet<String>,
    loop_devices: BTreeSet<String>,
    users: BTreeSet<String>,
}

impl Traces {
    /// Those of this data directory and these jobs; others may use the machine too.
    fn of(data: &DataDir, jobs: &[JobId]) -> Self {
        let data = data.path().to_string_lossy().into_owned();
        let lines = |file: &str| -> BTreeSet<String> {
            let text = std::fs::read_to_string(file).unwrap();
            text.lines().filter(|line| line.contains(&data)).map(str::to_owned).collect()
        };
        Self {
            processes: processes(&data),
            mounts: lines("/proc/self/mountinfo"),
            cgroups: cgroups(Path::new("/sys/fs/cgroup"), jobs),
            sockets: lines("/proc/net/unix"),
            loop_devices: loop_devices(&data),
            users: users(&data),
        }
    }
}

/// The last processes may take a moment to be reaped by those who own them.
fn no_traces(data: &DataDir, jobs: &[JobId]) {
    let began = Instant::now();
    loop {
        let traces = Traces::of(data, jobs);
        if traces == Traces::default() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{traces:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The helpers of this data directory, what our jobs start, and agentds that have no helper.
fn processes(data: &str) -> BTreeSet<String> {
    let all = entries(Path::new("/proc")).into_iter().filter_map(|pid| {
        let cmdline = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let cmdline = cmdline.replace('\0', " ");
        let ours = ["543210", data].iter().any(|name| cmdline.contains(name));
        let orphan = cmdline.contains("/opt/cagent/bin/agentd") && parent_is_init(&pid);
        (ours || orphan).then(|| format!("{pid} {cmdline}"))
    });
    all.collect()
}

fn parent_is_init(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| status.lines().any(|line| line == "PPid:\t1"))
}

/// The cgroups of our jobs, wherever they are.
fn cgroups(root: &Path, jobs: &[JobId]) -> BTreeSet<String> {
    let names: BTreeSet<String> = jobs.iter().map(JobId::to_string).collect();
    let mut found = BTreeSet::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.split('.').next().is_some_and(|job| names.contains(job)) {
                    found.insert(entry.path().display().to_string());
                }
                todo.push(entry.path());
            }
        }
    }
    found
}

/// The loop devices that are bound to a file of ours.
fn loop_devices(data: &str) -> BTreeSet<String> {
    let blocks = Path::new("/sys/block");
    let file = |name: &String| std::fs::read_to_string(blocks.join(name).join("loop/backing_file"));
    let ours = |name: &String| file(name).is_ok_and(|path| path.contains(data));
    entries(blocks).into_iter().filter(ours).collect()
}

/// The uids that are still noted as ours.
fn users(data: &str) -> BTreeSet<String> {
    let links = Path::new("/run/cagent/uids");
    let ours = |name: &String| {
        std::fs::read_link(links.join(name)).is_ok_and(|to| to.to_string_lossy().contains(data))
    };
    entries(links).into_iter().filter(ours).collect()
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
