//! Docker daemons for tests: the machine's own, and others that are there for one test. What fails
//! says what to install.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::PATIENCE;

/// The image of tests' sandboxes: the smallest Debian, and `PACKAGES`.
pub const IMAGE: &str = "cagent-test-base:latest";

const PACKAGES: &str = "python3,python3-pip,python3-venv,ca-certificates,procps";

/// Where the machine's own daemon listens.
const SOCKET: &str = "/var/run/docker.sock";

/// How long making an image, or cleaning up, may take.
const SHELL_SECONDS: &str = "300";

/// How often something that comes or goes is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A daemon, by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon(pub String);

impl Daemon {
    /// The machine's own, with [`IMAGE`].
    ///
    /// # Panics
    /// If it does not answer, or the image cannot be made.
    #[must_use]
    pub fn usual() -> Self {
        /// Tests come at the same time, and one of them makes it.
        static MAKING: Mutex<()> = Mutex::new(());
        let daemon = Self::of_socket(SOCKET);
        let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !daemon.has_image() {
            daemon.shell(&format!(
                "set -e; tar=$(mktemp --suffix=.tar); trap 'rm -f \"$tar\"' EXIT
                 mmdebstrap --quiet --variant=minbase --include={PACKAGES} bookworm \"$tar\"
                 docker import \"$tar\" {IMAGE}"
            ));
            assert!(daemon.has_image(), "make {IMAGE}: scripts/docker, apt-get install mmdebstrap");
        }
        daemon
    }

    /// The machine's own, by TCP. Threads pass the bytes on: tests block theirs.
    ///
    /// # Panics
    /// As [`Daemon::usual`] does.
    #[must_use]
    pub fn usual_by_tcp() -> Self {
        Self::usual().by_tcp()
    }

    /// The one that listens on this socket.
    #[must_use]
    pub fn of_socket(path: &str) -> Self {
        Self(format!("unix://{path}"))
    }

    /// The same by TCP.
    ///
    /// # Panics
    /// If it is none that listens on a socket.
    #[must_use]
    pub fn by_tcp(&self) -> Self {
        let socket = self.0.strip_prefix("unix://").expect("a socket").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // A daemon that is away: whoever calls finds the connection closed.
                drop(
                    UnixStream::connect(&socket).and_then(|daemon| pass_both_ways(stream, daemon)),
                );
            }
        });
        Self(format!("tcp://{address}"))
    }

    /// `docker` with these arguments.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn docker(&self, args: &[&str]) -> Output {
        let ran = Command::new("docker").args(args).env("DOCKER_HOST", &self.0).output();
        ran.expect("docker: apt-get install docker.io docker-cli")
    }

    /// The same; the words that it says.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&self, args: &[&str]) -> Vec<String> {
        let output = self.docker(args);
        assert!(output.status.success(), "docker {args:?}: {output:?}; start one: scripts/docker");
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(Into::into).collect()
    }

    /// The containers and volumes of the engine with this name, but for the volume of its programs.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn left_of(&self, owner: &str) -> Vec<String> {
        let mut left = self.ask(&["ps", "-aq", "--filter", &format!("label=cagent.owner={owner}")]);
        let volumes = format!("name=cagent-{owner}");
        left.extend(self.ask(&["volume", "ls", "-q", "--filter", &volumes]));
        left
    }

    /// Removes all that the engine with this name has left, also its programs. Never panics.
    pub fn sweep(&self, owner: &str) {
        self.shell(&format!(
            "docker ps -aq --filter label=cagent.owner={owner} | xargs --no-run-if-empty docker rm -f
             {{ docker volume ls -q --filter name=cagent-{owner}-
                docker volume ls -q --filter label=cagent.owner={owner}; }} |
                 xargs --no-run-if-empty docker volume rm"
        ));
    }

    fn has_image(&self) -> bool {
        self.docker(&["image", "inspect", IMAGE]).status.success()
    }

    fn shell(&self, script: &str) {
        let mut command = Command::new("timeout");
        command.arg(SHELL_SECONDS).args(["bash", "-c", script]).env("DOCKER_HOST", &self.0);
        let ran = command.output();
        if let Some(failed) = ran.ok().filter(|ran| !ran.status.success()) {
            eprintln!("{}", String::from_utf8_lossy(&failed.stderr));
        }
    }
}

/// A daemon that is there for one test, in namespaces of its own: it does not touch the network, which
/// is that of the machine's daemon, and nothing of it is left when the test ends.
#[derive(Debug)]
pub struct OwnDaemon {
    /// The first process in there, which starts and kills what it is told to.
    init: Child,
    command: String,
    daemon: Daemon,
    dir: TempDir,
}

impl OwnDaemon {
    /// A `dockerd` with these arguments, and [`IMAGE`].
    ///
    /// # Panics
    /// If it does not come up, with its log.
    #[must_use]
    pub fn dockerd(args: &str) -> Self {
        Self::start(&format!(
            "dockerd --bridge none --iptables=false --ip-forward=false --ip-masq=false \
             --cgroup-parent=\"/$name\" --data-root \"$PWD/root\" --exec-root \"$PWD/exec\" \
             --pidfile \"$PWD/pid\" --host \"$host\" {args}"
        ))
    }

    /// What this shell command starts: it listens on `$host`, keeps everything in the directory
    /// it is started in, and has `$name` for itself.
    ///
    /// # Panics
    /// If it does not come up, with its log.
    #[must_use]
    pub fn start(command: &str) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let daemon = Daemon::of_socket(&dir.path().join("api.sock").to_string_lossy());
        let init = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--net", "bash"])
            .env("host", &daemon.0)
            .env("name", name(&dir))
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let init = init.expect("unshare: apt-get install util-linux");
        let mut own = Self { init, command: command.into(), daemon, dir };
        own.start_again();
        own.load_image();
        own
    }

    /// How it is reached.
    #[must_use]
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Kills the daemon (SIGKILL), and no container.
    ///
    /// # Panics
    /// If it goes on answering.
    pub fn kill(&mut self) {
        self.tell("kill -KILL $daemon");
        self.until("does not die", |daemon| !daemon.docker(&["version"]).status.success());
    }

    /// Freezes the daemon: it takes calls and answers none.
    pub fn freeze(&mut self) {
        self.tell("kill -STOP $daemon");
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it does not come up, with its log.
    pub fn start_again(&mut self) {
        let command = format!("rm -f pid; {} >>log 2>&1 & daemon=$!", self.command);
        self.tell(&command);
        self.until("does not answer", |daemon| daemon.docker(&["version"]).status.success());
    }

    fn load_image(&self) {
        let usual = Daemon::usual();
        let load = format!("docker save {IMAGE} | docker --host {} load", self.daemon.0);
        usual.shell(&load);
        assert!(self.daemon.has_image(), "{}", self.log());
    }

    fn tell(&mut self, command: &str) {
        let input = self.init.stdin.as_mut().expect("a pipe");
        writeln!(input, "{command}").expect("its first process listens");
    }

    fn until(&self, trouble: &str, is_so: impl Fn(&Daemon) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.daemon) {
            assert!(begun.elapsed() < PATIENCE, "a daemon {trouble}: {}", self.log());
            thread::sleep(LOOK);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for OwnDaemon {
    /// Told nothing more, the first process ends, and all others with it.
    fn drop(&mut self) {
        drop(self.init.stdin.take());
        drop(self.init.wait());
        let name = name(&self.dir);
        let groups = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path"];
        let mut find = Command::new("find");
        find.args(groups).arg(format!("*/{name}*")).args(["-exec", "rmdir", "{}", ";"]);
        drop(find.stderr(Stdio::null()).status());
    }
}

/// By which its control groups are known.
fn name(dir: &TempDir) -> String {
    let name = dir.path().file_name().unwrap_or_default().to_string_lossy();
    format!("cagent-test-{}", name.trim_start_matches('.'))
}

fn pass_both_ways(stream: std::net::TcpStream, daemon: UnixStream) -> io::Result<()> {
    let (from_stream, from_daemon) = (stream.try_clone()?, daemon.try_clone()?);
    thread::spawn(move || pass_on(from_stream, daemon, |to| to.shutdown(Shutdown::Write)));
    thread::spawn(move || pass_on(from_daemon, stream, |to| to.shutdown(Shutdown::Write)));
    Ok(())
}

fn pass_on<W: Write>(mut from: impl Read, mut to: W, end: fn(&W) -> io::Result<()>) {
    drop(io::copy(&mut from, &mut to).and_then(|_| end(&to)));
}
