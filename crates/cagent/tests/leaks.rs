//! A hundred jobs leave nothing behind. A program of its own: it counts what is on the whole
//! machine, so nothing else may start sandboxes meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Builder, DataDir, PATIENCE, Server};
use types::{JobId, JobStatus};

/// Good, failing, noisy, stubborn, long: every kind, over and over.
const KINDS: [&str; 6] = [
    "```sh\necho hi > a.txt; echo hi\n```\n",
    "```sh\nexit 7\n```\n",
    "```python\nimport os\nos.mkfifo('f')\nprint('x' * 100000)\n```\n",
    "```bash\n(trap '' TERM HUP INT; setsid sleep 5432101 &)\necho left a daemon\n```\n",
    "```bash\ntrap '' TERM\nsleep 5432102 &\nwait\n```\n",
    "```sh\nfor i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.02; done\n```\n",
];

const JOBS: usize = 100;

/// Of `KINDS`, the one that never ends by itself.
const ENDLESS: usize = 4;

#[tokio::test]
async fn a_hundred_mixed_jobs_leave_nothing() {
    let data = DataDir::new();
    let temporary = tempfile::tempdir().unwrap();
    let before = Traces::take();
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent"))
        .data_dir(&data)
        .arg("--concurrency=6")
        .env("TMPDIR", temporary.path())
        .start()
        .await;
    let mut jobs = vec![];
    for number in 0..JOBS {
        jobs.push((number, server.client().run(KINDS[number % KINDS.len()]).await));
    }
    cancel_some(&server, &jobs).await;
    for (number, job) in &jobs {
        let ended = server.client().wait_end(*job).await;
        let expected: &[JobStatus] = match number % KINDS.len() {
            1 => &[JobStatus::Error, JobStatus::Cancelled],
            ENDLESS => &[JobStatus::Cancelled],
            _ => &[JobStatus::Complete, JobStatus::Cancelled],
        };
        assert!(expected.contains(&ended.status), "job {number}: {ended:#?}");
        assert!(!server.client().download(*job).await.is_empty());
    }

    assert_eq!(entries(&data.path().join("sandboxes")), BTreeSet::new(), "sandboxes");
    for (number, job) in &jobs {
        let known = ["output.zip", "stderr.log", "stdout.log"].map(str::to_owned);
        let left = entries(&data.path().join(format!("jobs/{job}")));
        assert!(left.is_subset(&known.into()), "job {number}: {left:?}");
    }
    assert!(server.stop().await.success());
    nothing_more_than(&before);
    assert_eq!(entries(temporary.path()), BTreeSet::new(), "temporary files");
    assert_eq!(sockets_beneath(data.path()), 0, "unix sockets");
}

/// Cancels every third job, and those that would never end, while others run: at moments that
/// differ from run to run.
async fn cancel_some(server: &Server, jobs: &[(usize, JobId)]) {
    for (number, job) in jobs {
        if number % 3 == 0 || number % KINDS.len() == ENDLESS {
            server.client().cancel(*job).await;
            // The answer to another call is a pause of no fixed length.
            server.client().status(*job).await;
        }
    }
}

/// What sandboxes may leave on a machine.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

impl Traces {
    fn take() -> Self {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        Self {
            processes: processes(),
            mounts: text.lines().map(str::to_owned).collect(),
            cgroups: cgroups(Path::new("/sys/fs/cgroup")),
        }
    }
}

/// The last processes may take a moment to be reaped by those who own them.
fn nothing_more_than(before: &Traces) {
    let began = Instant::now();
    loop {
        let now = Traces::take();
        if now == *before {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "before: {before:#?}\nnow: {now:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes of sandboxes: the helpers, agentd, and what our jobs start.
fn processes() -> BTreeSet<String> {
    let ours = ["sandbox-helper", "agentd", "/opt/cagent", "54321"];
    let all = entries(Path::new("/proc")).into_iter().filter_map(|pid| {
        let cmdline = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let cmdline = cmdline.replace('\0', " ");
        ours.iter().any(|name| cmdline.contains(name)).then(|| format!("{pid} {cmdline}"))
    });
    all.collect()
}

fn cgroups(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(entry.path().display().to_string());
                todo.push(entry.path());
            }
        }
    }
    found
}

fn sockets_beneath(folder: &Path) -> usize {
    let text = std::fs::read_to_string("/proc/net/unix").unwrap();
    text.lines().filter(|line| line.contains(&*folder.to_string_lossy())).count()
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
