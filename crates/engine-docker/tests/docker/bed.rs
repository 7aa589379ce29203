//! An engine in a temporary directory, and scripts to run in its sandboxes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, thread};

use engine::{Ended, Engine, SandboxSpec};
use engine_docker::{DockerConfig, DockerEngine};
use tempfile::TempDir;
use types::{JobId, Limits};

/// What every test's sandboxes are made from.
pub(crate) const IMAGE: &str = "cagent-test-base:latest";

/// What is in it beside the smallest Debian.
const PACKAGES: &str = "python3,python3-pip,python3-venv,ca-certificates,procps";

pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// Far above what anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Says hello as agentd does, for the engine's probe.
const HELLO: &str = "\
import os, socket, subprocess, sys, time
if sys.argv[1:] == ['bridge']:
    sys.exit(len(sys.stdin.read()))
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

/// A daemon, for looks behind the engine's back.
#[derive(Clone, Debug)]
pub(crate) struct Daemon(pub(crate) String);

impl Daemon {
    /// The machine's own.
    pub(crate) fn usual() -> Self {
        Self(format!("unix://{SOCKET}"))
    }

    /// `docker` with these arguments.
    pub(crate) fn docker(&self, args: &[&str]) -> Output {
        let ran = Command::new("docker").arg("--host").arg(&self.0).args(args).output();
        ran.expect("docker: apt-get install docker.io docker-cli")
    }

    /// The same; what it says, one word a line.
    pub(crate) fn ask(&self, args: &[&str]) -> Vec<String> {
        let output = self.docker(args);
        assert!(output.status.success(), "docker {args:?}: {output:?}; is dockerd running?");
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(Into::into).collect()
    }

    /// Sees to it that it has the image.
    pub(crate) fn provide_image(&self) {
        if self.docker(&["image", "inspect", IMAGE]).status.success() {
            return;
        }
        let shell = format!(
            "set -e; trap 'rm -f \"$tar\"' EXIT; tar=$(mktemp --suffix=.tar)
             mmdebstrap --quiet --variant=minbase --include={PACKAGES} bookworm \"$tar\"
             docker --host {} import \"$tar\" {IMAGE}",
            self.0
        );
        let made = Command::new("bash").arg("-c").arg(shell).output().unwrap();
        assert!(made.status.success(), "make {IMAGE} (apt-get install mmdebstrap): {made:?}");
    }
}

/// The machine's own daemon, with the image.
pub(crate) fn daemon() -> Daemon {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| Daemon::usual().provide_image());
    Daemon::usual()
}

impl Bed {
    /// With this Python script in place of agentd, on the machine's daemon.
    pub(crate) fn new(agentd: &str) -> Self {
        Self::with(agentd, &daemon(), |_| {})
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
        fs::write(&program, format!("#!/usr/bin/python3\n{HELLO}\n{agentd}\n")).unwrap();
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

    pub(crate) fn name(&self, job: JobId) -> String {
        format!("cagent-{}-{job}", self.owner())
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

/// In place of an agentd that waits for a gateway.
pub(crate) const IDLE: &str = "time.sleep(3600)";

impl Drop for Bed {
    /// What a test that failed left, and the volume of its programs. Never panics.
    fn drop(&mut self) {
        let Ok(owner) = fs::read_to_string(self.config.home.join("owner")) else { return };
        let shell = format!(
            "docker() {{ command docker --host {} \"$@\"; }}
             docker ps -aq --filter label=cagent.owner={owner} | while read -r c; do docker rm -f \"$c\"; done
             docker volume ls -q | grep -e '^cagent-{owner}-' | while read -r v; do docker volume rm \"$v\"; done
             docker volume ls -q --filter label=cagent.tools | while read -r v; do docker volume rm \"$v\"; done",
            self.daemon.0
        );
        drop(Command::new("bash").arg("-c").arg(shell).output());
    }
}

/// A daemon by TCP. Threads of its own: tests block theirs while they ask the daemon.
pub(crate) fn by_tcp(socket: &str) -> Daemon {
    let socket = socket.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let daemon = UnixStream::connect(&socket).unwrap();
            let (from_stream, from_daemon) =
                (stream.try_clone().unwrap(), daemon.try_clone().unwrap());
            thread::spawn(move || pass_on(from_stream, daemon, |to| to.shutdown(Shutdown::Write)));
            thread::spawn(move || pass_on(from_daemon, stream, |to| to.shutdown(Shutdown::Write)));
        }
    });
    Daemon(format!("tcp://{address}"))
}

fn pass_on<W: Write>(mut from: impl Read, mut to: W, end: fn(&W) -> io::Result<()>) {
    drop(io::copy(&mut from, &mut to).and_then(|_| end(&to)));
}
