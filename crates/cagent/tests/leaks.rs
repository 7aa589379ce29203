//! A hundred jobs leave nothing behind. A program of its own, so that its jobs have the machine.

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
    let before = Traces::of(&data, &[]);
    assert_eq!(before, Traces::default(), "a new data directory has no traces yet");
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
    let jobs: Vec<JobId> = jobs.into_iter().map(|(_, job)| job).collect();
    no_traces(&data, &jobs);
    assert_eq!(entries(temporary.path()), BTreeSet::new(), "temporary files");
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

/// What jobs may leave on a machine.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    sockets: BTreeSet<String>,
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
                if names.contains(&*entry.file_name().to_string_lossy()) {
                    found.insert(entry.path().display().to_string());
                }
                todo.push(entry.path());
            }
        }
    }
    found
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
