//! The quota on workspaces.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use engine::{Engine, SandboxEnd, SandboxSpec, SandboxState};
use engine_local::LocalEngine;
use rustix::process::{Pid, Signal, kill_process};
use types::{JobId, Limits};

use crate::bed::{Bed, as_command, eventually, is_root, loop_devices, processes_with};

const SMALL: u64 = 16 << 20;

fn small() -> Limits {
    Limits { disk_bytes: SMALL, ..Limits::default() }
}

/// Of these, root's job meets the end of its disk; an ordinary user's is ended.
fn over(end: SandboxEnd) -> bool {
    end == if is_root() { SandboxEnd::Exited { code: 0 } } else { SandboxEnd::DiskQuota }
}

#[tokio::test]
async fn a_full_workspace_is_full_for_the_job_alone() {
    let bed = Bed::python(
        r"
import errno, time
with open('/workspace/big', 'wb', buffering=0) as big:
    try:
        for _ in range(64): big.write(b'x' * 1000000)
        time.sleep(86400)
    except OSError as e:
        print(errno.errorcode[e.errno])
",
    );
    let job = bed.start(small()).await;
    let ended = bed.wait(job).await;
    assert!(over(ended.end) && ended.disk_full, "{ended:?}");
    let used = ended.usage.disk_bytes.unwrap();
    if is_root() {
        assert!((SMALL * 9 / 10..=SMALL).contains(&used), "{used}");
        assert!(on_disk(&bed, job) <= SMALL, "the host keeps no more than the limit");
    } else {
        assert!(used > SMALL, "{used}");
    }
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn what_is_removed_again_or_was_never_written_is_free() {
    let bed = Bed::python(
        r"
import os
for _ in range(10):
    with open('/workspace/file', 'wb') as file: file.write(b'x' * 4000000)
    os.remove('/workspace/file')
with open('/workspace/sparse', 'wb') as sparse: sparse.truncate(1 << 30)
",
    );
    let job = bed.start(small()).await;
    let ended = bed.wait(job).await;
    assert_eq!((ended.end, ended.disk_full), (SandboxEnd::Exited { code: 0 }, false));
    assert!(ended.usage.disk_bytes < Some(1 << 20), "{ended:?}");
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn a_sandbox_that_ended_can_be_read_by_another_engine() {
    let bed = Bed::new(&format!("{} sh -c 'echo hello > /workspace/file'", as_command()));
    let job = bed.start(small()).await;
    bed.wait(job).await;
    let later = LocalEngine::open(bed.config.clone()).unwrap();
    for engine in [&later, &bed.engine, &later] {
        assert_eq!(read(engine, job, "file").await, "hello\n");
    }
    bed.engine.remove(job).await.unwrap();
    assert!(later.workspace(job).await.is_err(), "it is gone");
}

#[tokio::test]
async fn a_workspace_that_its_job_closed_can_be_read() {
    let script = "echo hello > /workspace/file; chmod 0 /workspace";
    let bed = Bed::new(&format!("{} sh -c '{script}'", as_command()));
    let job = bed.start(small()).await;
    bed.wait(job).await;
    assert_eq!(read(&bed.engine, job, "file").await, "hello\n");
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_can_be_opened_while_another_engine_lets_go_of_it() {
    let bed = Bed::new(&format!("{} sh -c 'echo hello > /workspace/file'", as_command()));
    for _ in 0..20 {
        let earlier = LocalEngine::open(bed.config.clone()).unwrap();
        let spec = SandboxSpec { job: JobId::generate(), limits: small(), image: None };
        earlier.create(&spec).await.unwrap();
        earlier.start(spec.job).await.unwrap();
        earlier.wait(spec.job).await.unwrap();
        let end = tokio::task::spawn_blocking(move || drop(earlier));
        assert_eq!(read(&bed.engine, spec.job, "file").await, "hello\n");
        end.await.unwrap();
        bed.engine.remove(spec.job).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_made_can_be_started_by_another_engine_and_after_a_failure() {
    let bed = Bed::new(&format!("{} sh -c 'echo hello > /workspace/file'", as_command()));
    let job = bed.create(small()).await;
    let agentd = bed.config.tools.join("bin/agentd");
    fs::set_permissions(&agentd, fs::Permissions::from_mode(0o644)).unwrap();
    bed.engine.start(job).await.unwrap_err();
    fs::set_permissions(&agentd, fs::Permissions::from_mode(0o755)).unwrap();
    let later = LocalEngine::open(bed.config.clone()).unwrap();
    later.start(job).await.unwrap();
    bed.wait(job).await;
    assert_eq!(read(&bed.engine, job, "file").await, "hello\n");
    bed.engine.remove(job).await.unwrap();
}

async fn read(engine: &LocalEngine, job: JobId, name: &str) -> String {
    let workspace = engine.workspace(job).await.unwrap();
    fs::read_to_string(workspace.path().join(name)).unwrap()
}

/// What the host keeps of a sandbox's files.
fn on_disk(bed: &Bed, job: JobId) -> u64 {
    fs::metadata(bed.folder(job).join("workspace.img")).unwrap().blocks() * 512
}

/// The loop devices of a sandbox's image, which has the name it was made under or its own.
fn devices_of(bed: &Bed, job: JobId) -> Vec<PathBuf> {
    let image = bed.folder(job).join("workspace.img");
    let unnamed = format!("#{} (deleted)", fs::metadata(&image).unwrap().ino());
    let names = [image, bed.config.home.join(unnamed)];
    loop_devices(&bed.config.home, |file| names.iter().any(|name| name == file))
}

/// Another process that has an engine with the folders of this bed, and starts a sandbox.
struct Other {
    process: Child,
    job: JobId,
}

const HOME: &str = "CAGENT_TEST_HOME";

impl Other {
    fn start(bed: &Bed) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk::another_orchestrator", "--ignored", "--nocapture"])
            .env(HOME, &bed.config.home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let job = lines.find_map(|line| line.unwrap().strip_prefix("job ")?.parse().ok());
        Self { process, job: job.expect("it tells the job it started") }
    }

    /// As if the power of this one process failed.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[ignore = "the other process of the tests that kill an orchestrator"]
async fn another_orchestrator() {
    let home = std::env::var_os(HOME).expect("only run by the tests that need it");
    let bed = Bed::new("");
    let mut config = bed.config.clone();
    config.tools = Path::new(&home).with_file_name("tools");
    config.home = home.into();
    let engine = LocalEngine::open(config).unwrap();
    let spec = SandboxSpec {
        job: JobId::generate(),
        limits: Limits { wall_seconds: 3, ..small() },
        image: None,
    };
    engine.create(&spec).await.unwrap();
    engine.start(spec.job).await.unwrap();
    println!("\njob {}", spec.job);
    // Until it is killed.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    std::future::pending::<()>().await;
}

/// Writes a file for whoever looks later, and goes on.
fn writes_and_waits() -> String {
    format!("{} sh -c 'echo hello > /workspace/file'; exec sleep 86400", as_command())
}

#[tokio::test]
async fn a_sandbox_goes_on_without_its_orchestrator_and_keeps_its_wall_time() {
    let bed = Bed::new(&writes_and_waits());
    let mut other = Other::start(&bed);
    other.kill();
    assert_eq!(bed.engine.list().await.unwrap(), [(other.job, SandboxState::Running)]);
    let workspace = bed.engine.workspace(other.job).await.unwrap();
    eventually("it writes", || workspace.path().join("file").exists()).await;
    if is_root() {
        assert_eq!(devices_of(&bed, other.job).len(), 1, "one device, two mounts");
    }
    assert_eq!(bed.wait(other.job).await.end, SandboxEnd::WallTime);
    drop(workspace);
    assert_eq!(read(&bed.engine, other.job, "file").await, "hello\n");
    bed.engine.remove(other.job).await.unwrap();
    assert!(!bed.folder(other.job).exists());
}

#[tokio::test]
async fn after_a_crash_of_everything_there_is_only_a_file() {
    let bed = Bed::new(&writes_and_waits());
    let mut other = Other::start(&bed);
    {
        let workspace = bed.engine.workspace(other.job).await.unwrap();
        eventually("it writes", || workspace.path().join("file").exists()).await;
    }
    let Bed { engine, config, leftovers } = bed;
    drop(engine);
    other.kill();
    for helper in processes_with(&other.job.to_string()) {
        let helper = Pid::from_raw(helper.try_into().unwrap()).unwrap();
        kill_process(helper, Signal::KILL).unwrap();
    }
    eventually("no device", || loop_devices(&config.home, |_| true).is_empty()).await;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*config.home.to_string_lossy()), "{mounts}");

    let bed = Bed { engine: LocalEngine::open(config.clone()).unwrap(), config, leftovers };
    assert_eq!(bed.wait(other.job).await.end, SandboxEnd::Lost);
    assert_eq!(read(&bed.engine, other.job, "file").await, "hello\n");
    bed.engine.remove(other.job).await.unwrap();
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0, "no file is left");
}

#[tokio::test]
async fn many_at_once_leave_no_device() {
    let bed = Bed::new("exit 0");
    let lives = (0..30).map(|n| {
        let engine = bed.engine.clone();
        let disk_bytes = SMALL << (n % 3);
        tokio::spawn(async move {
            let limits = Limits { disk_bytes, ..Limits::default() };
            let spec = SandboxSpec { job: JobId::generate(), limits, image: None };
            engine.create(&spec).await.unwrap();
            engine.start(spec.job).await.unwrap();
            engine.wait(spec.job).await.unwrap();
            engine.workspace(spec.job).await.unwrap();
            engine.remove(spec.job).await.unwrap();
        })
    });
    for life in lives.collect::<Vec<_>>() {
        life.await.unwrap();
    }
    assert_eq!(fs::read_dir(&bed.config.home).unwrap().count(), 0, "no file is left");
    let Bed { engine, config, leftovers: _leftovers } = bed;
    drop(engine);
    eventually("no device", || loop_devices(&config.home, |_| true).is_empty()).await;
}
