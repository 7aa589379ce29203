//! An engine in a temporary directory, and scripts to run in its sandboxes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::{Ended, Engine, SandboxSpec};
use engine_local::{LocalConfig, LocalEngine, UidRange};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use types::{JobId, Limits};

/// Set where the tests run a second time, as an ordinary user: where the helper is.
pub(crate) const HELPER_VARIABLE: &str = "CAGENT_TEST_HELPER";

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bed {
    pub(crate) engine: LocalEngine,
    pub(crate) config: LocalConfig,
    /// Here only to be dropped last.
    pub(crate) leftovers: Leftovers,
}

/// Removes, with the directory, what a test that failed left running.
pub(crate) struct Leftovers {
    home: PathBuf,
    _dir: TempDir,
}

impl Bed {
    /// With this shell script in place of agentd.
    pub(crate) fn new(agentd: &str) -> Self {
        Self::with(agentd, |_| {})
    }

    /// The same, with other settings.
    pub(crate) fn with(agentd: &str, change: impl FnOnce(&mut LocalConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        fs::create_dir_all(tools.join("bin")).unwrap();
        executable(&tools.join("bin/agentd"), &format!("#!/bin/sh\n{agentd}\n"));
        let mut config = LocalConfig {
            home: dir.path().join("home"),
            helper: helper(),
            tools,
            expose: vec![],
            images: dir.path().join("images"),
            uids: UidRange::default(),
        };
        change(&mut config);
        let engine = LocalEngine::open(config.clone()).unwrap();
        let leftovers = Leftovers { home: config.home.clone(), _dir: dir };
        Self { engine, config, leftovers }
    }

    /// With this Python script run as the job's user by a shell script in place of agentd.
    pub(crate) fn python(script: &str) -> Self {
        needs("/usr/bin/python3");
        let bed = Self::new(&format!("{} /usr/bin/python3 /opt/cagent/script.py", as_command()));
        fs::write(bed.config.tools.join("script.py"), script).unwrap();
        bed
    }

    pub(crate) async fn create(&self, limits: Limits) -> JobId {
        let spec = SandboxSpec { job: JobId::generate(), limits, image: None };
        self.engine.create(&spec).await.unwrap();
        spec.job
    }

    pub(crate) async fn start(&self, limits: Limits) -> JobId {
        let job = self.create(limits).await;
        self.engine.start(job).await.unwrap();
        job
    }

    pub(crate) async fn wait(&self, job: JobId) -> Ended {
        tokio::time::timeout(PATIENCE, self.engine.wait(job)).await.expect("it ends").unwrap()
    }

    /// One sandbox from beginning to end: how it ended, and what it wrote to stdout and stderr.
    pub(crate) async fn run(&self, limits: Limits) -> (Ended, String) {
        let job = self.start(limits).await;
        self.end(job).await
    }

    /// What is left of the life of a sandbox that was started.
    pub(crate) async fn end(&self, job: JobId) -> (Ended, String) {
        let ended = self.wait(job).await;
        let log = fs::read(self.folder(job).join("agentd.log")).unwrap();
        self.engine.remove(job).await.unwrap();
        (ended, String::from_utf8(log).unwrap())
    }

    pub(crate) fn folder(&self, job: JobId) -> PathBuf {
        self.config.home.join(job.to_string())
    }

    pub(crate) fn plan(&self, job: JobId) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.folder(job).join("plan.json")).unwrap()).unwrap()
    }

    /// The cgroups that the sandbox has, or had.
    pub(crate) fn cgroups(&self, job: JobId) -> Vec<PathBuf> {
        cgroups(&self.folder(job))
    }
}

impl Drop for Leftovers {
    /// Never panics: the test may be doing so.
    fn drop(&mut self) {
        for folder in fs::read_dir(&self.home).into_iter().flatten().flatten() {
            let job = folder.file_name();
            for helper in processes_with(&job.to_string_lossy()) {
                let helper = helper.try_into().ok().and_then(Pid::from_raw);
                let _ = helper.map(|helper| kill_process(helper, Signal::KILL));
            }
            let begun = Instant::now();
            for cgroup in cgroups(&folder.path()) {
                while cgroup.exists() && fs::remove_dir(&cgroup).is_err() {
                    if begun.elapsed() > PATIENCE {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

/// What the plan in a sandbox's folder says of its cgroups.
fn cgroups(folder: &Path) -> Vec<PathBuf> {
    let plan = fs::read(folder.join("plan.json")).unwrap_or_default();
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap_or_default();
    let parents = plan["place"]["parents"].as_object().into_iter().flat_map(|all| all.values());
    let name = plan["name"].as_str().unwrap_or_default();
    parents.filter_map(|parent| Some(Path::new(parent.as_str()?).join(name))).collect()
}

/// Whether this run is the one with all rights.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a script puts before a command to run it as the job's user.
pub(crate) fn as_command() -> &'static str {
    if !is_root() {
        return "";
    }
    needs("/usr/bin/setpriv");
    "setpriv --reuid 1000 --regid 1000 --clear-groups"
}

pub(crate) fn needs(program: &str) {
    assert!(Path::new(program).exists(), "install {program}: this test cannot run without it");
}

pub(crate) fn executable(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn helper() -> PathBuf {
    std::env::var_os(HELPER_VARIABLE)
        .map_or_else(|| env!("CARGO_BIN_EXE_sandbox-helper").into(), PathBuf::from)
}

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every process with this word among its arguments.
pub(crate) fn processes_with(word: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
}

/// Every loop device that has such a file in this directory behind it.
pub(crate) fn loop_devices(directory: &Path, such: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let has = |device: &PathBuf| {
        let file = fs::read_to_string(device.join("loop/backing_file")).unwrap_or_default();
        let file = Path::new(file.trim_end());
        file.starts_with(directory) && such(file)
    };
    fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path()).filter(has).collect()
}
