//! An engine in a temporary directory, and scripts to run in its sandboxes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use engine::{Ended, Engine, SandboxSpec};
use engine_docker::{DockerConfig, DockerEngine};
use tempfile::TempDir;
use testkit::docker::{Daemon, IMAGE};
use types::{JobId, Limits};

/// Far above what anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Says hello as agentd does, for the engine's probe.
const HELLO: &str = "\
import os, socket, subprocess, sys, time
if sys.argv[1:] == ['bridge']:
    sys.exit(len(sys.stdin.read()))
if sys.argv[1:2] == ['measure']:
    print(sum(os.stat(d + '/' + f).st_blocks * 512 for d, _, all in os.walk(sys.argv[2]) for f in all))
    sys.exit()
gateway = socket.socket(socket.AF_UNIX)
try:
    gateway.connect('/run/cagent/gateway.sock')
    gateway.send(b'POST')
except OSError:
    pass
def as_command(code):
    def drop():
        os.setgroups([]); os.setgid(1000); os.setuid(1000)
    return subprocess.run([sys.executable, '-c', code], preexec_fn=drop).returncode
";

pub(crate) struct Bed {
    pub(crate) engine: DockerEngine,
    pub(crate) config: DockerConfig,
    pub(crate) daemon: Daemon,
    _dir: TempDir,
}

impl Bed {
    /// With this Python script in place of agentd, on the machine's daemon.
    pub(crate) fn new(agentd: &str) -> Self {
        Self::with(agentd, &Daemon::usual(), |_| {})
    }

    /// The same, elsewhere and with other settings.
    pub(crate) fn with(
        agentd: &str,
        daemon: &Daemon,
        change: impl FnOnce(&mut DockerConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        fs::create_dir_all(tools.join("bin")).unwrap();
        let program = tools.join("bin/agentd");
        fs::write(
            &program,
            format!("#!/usr/bin/python3\n# {}\n{HELLO}\n{agentd}\n", dir.path().display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = DockerConfig {
            home: dir.path().join("home"),
            tools,
            image: IMAGE.into(),
            host: Some(daemon.0.clone()),
            runtime: None,
        };
        change(&mut config);
        let engine = DockerEngine::open(config.clone()).unwrap();
        Self { engine, config, daemon: daemon.clone(), _dir: dir }
    }

    /// One whose agentd waits for ever.
    pub(crate) fn idle() -> Self {
        Self::new(IDLE)
    }

    /// As after a restart of the orchestrator.
    pub(crate) fn again(mut self) -> Self {
        self.engine = DockerEngine::open(self.config.clone()).unwrap();
        self
    }

    pub(crate) fn owner(&self) -> String {
        fs::read_to_string(self.config.home.join("owner")).unwrap()
    }

    /// Of its container, and of its volume.
    pub(crate) fn name(&self, job: JobId) -> String {
        let id = fs::read_link(self.config.home.join(format!("{job}/try"))).unwrap();
        format!("cagent-{}-{job}-{}", self.owner(), id.display())
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

    /// Waits until the daemon has nothing of it any more.
    pub(crate) async fn is_swept(&self) {
        until("it is swept", || self.daemon.left_of(&self.owner()).is_empty()).await;
    }

    pub(crate) async fn wait(&self, job: JobId) -> Ended {
        let ended = tokio::time::timeout(PATIENCE, self.engine.wait(job)).await;
        ended.expect("it ends").unwrap()
    }

    /// What PID 1 wrote.
    pub(crate) fn log(&self, job: JobId) -> String {
        let output = self.daemon.docker(&["logs", &self.name(job)]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// One sandbox to its end: how it ended, and what it said.
    pub(crate) async fn run(&self, limits: Limits) -> (Ended, String) {
        let job = self.start(limits).await;
        let ended = self.wait(job).await;
        let log = self.log(job);
        self.engine.remove(job).await.unwrap();
        (ended, log)
    }
}

/// Waits until this is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect(what);
}

/// In place of an agentd that waits for a gateway.
pub(crate) const IDLE: &str = "time.sleep(3600)";

impl Drop for Bed {
    /// What a test that failed left, and the volume of its programs.
    fn drop(&mut self) {
        if let Ok(owner) = fs::read_to_string(self.config.home.join("owner")) {
            self.daemon.sweep(&owner);
        }
    }
}
