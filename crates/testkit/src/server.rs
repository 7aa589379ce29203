use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::scripted::{Provider, ScriptedModel};
use crate::{Client, DataDir, PATIENCE};

/// What the program prints before its address once it is ready.
const READY: &str = "cagent listens on ";

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Builder {
    program: PathBuf,
    data_dir: DataDir,
    listen: String,
    args: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

/// `cagent serve`, running. Killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    client: Client,
    data_dir: DataDir,
}

impl Builder {
    /// A server of this program; `env!("CARGO_BIN_EXE_cagent")` in the tests of `cagent`.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().into();
        let listen = "127.0.0.1:0".into();
        Self { program, data_dir: DataDir::new(), listen, args: vec![], variables: vec![] }
    }

    /// Uses this data directory instead of a new one.
    #[must_use]
    pub fn data_dir(mut self, dir: &DataDir) -> Self {
        self.data_dir = dir.clone();
        self
    }

    /// Listens here instead of on a free port of the loopback address.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = address.into();
        self
    }

    /// Gives `serve` more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Gives `serve` another argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Lets it ask these providers of a scripted model, in this order.
    #[must_use]
    pub fn model(mut self, model: &ScriptedModel, providers: &[Provider]) -> Self {
        let settings = model.settings(providers).into_iter();
        self.variables.extend(settings.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Starts it and waits until it is ready. It knows no model but those it was given here,
    /// whatever keys this machine has.
    ///
    /// # Panics
    /// With what it said on stderr, if it ends or is not ready in [`PATIENCE`].
    pub async fn start(self) -> Server {
        let mut command = Command::new(&self.program);
        for name in Provider::ALL.iter().flat_map(|p| p.all_settings()) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", &self.listen, "--data-dir"])
            .arg(self.data_dir.path())
            .args(self.args)
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("start {}: {e}", self.program.display()));
        let url = ready(&mut child).await;
        Server { client: Client::new(&url), child, url, data_dir: self.data_dir }
    }
}

impl Server {
    /// A server without special wishes.
    pub async fn start(program: impl AsRef<Path>) -> Self {
        Builder::new(program).start().await
    }

    /// `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls it from here on with the key that is for the owner of its data directory.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn with_own_key(mut self) -> Self {
        let key = std::fs::read_to_string(self.data_dir.path().join("local.key"));
        self.client = self.client.clone().with_key(key.expect("the server's own key").trim());
        self
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Its process.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it does not end in [`PATIENCE`].
    pub async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait().await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it does not end in [`PATIENCE`].
    pub async fn ended(mut self) -> ExitStatus {
        self.wait().await
    }

    /// Kills it as a crash would (SIGKILL). Its sandboxes live on.
    ///
    /// # Panics
    /// If it does not end in [`PATIENCE`].
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait().await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(pid).expect("the server runs");
        kill_process(pid, signal).expect("the server runs");
    }

    async fn wait(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("the server ends in time");
        ended.expect("its exit status")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its directory is removed next, and nobody may write into it then.
        if let Some(pid) = self.child.id().and_then(pid) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(id.try_into().ok()?)
}

/// Reads the address; from then on what the server says goes to the test's output.
async fn ready(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("a pipe");
    let mut stderr = child.stderr.take().expect("a pipe");
    let mut line = String::new();
    let read = timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await;
    let url = line.trim().strip_prefix(READY).map(str::to_owned);
    if let (Ok(Ok(_)), Some(url)) = (read, url) {
        tokio::spawn(async move {
            // Until it ends; a pipe that nobody reads would stop it.
            tokio::io::copy(&mut stderr, &mut tokio::io::stderr()).await
        });
        return url;
    }
    let _ = child.start_kill();
    let mut said = String::new();
    let _ = stderr.read_to_string(&mut said).await;
    panic!("the server is not ready; it printed {line:?} and said:\n{said}");
}
