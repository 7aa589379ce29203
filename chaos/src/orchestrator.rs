//! `cagent serve` in a process of its own, as often as it must be started again.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// What it prints before its address once it is ready.
const READY: &str = "cagent listens on ";

/// How long a start, or a stop, may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many lines of its log are shown when it does not start.
const WORDS: usize = 20;

/// The server, and how it is started.
#[derive(Debug)]
pub(crate) struct Orchestrator {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Where it is started: no `.env` of somebody's may decide anything.
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    child: Option<Child>,
    url: watch::Sender<String>,
}

impl Orchestrator {
    pub(crate) fn new(program: &Path, dir: &Path) -> Self {
        Self {
            program: program.into(),
            args: vec![],
            variables: vec![],
            dir: dir.into(),
            log: dir.join("serve.log"),
            child: None,
            url: watch::Sender::new(String::new()),
        }
    }

    /// Where it listens: another place after each start.
    pub(crate) fn url(&self) -> watch::Receiver<String> {
        self.url.subscribe()
    }

    /// # Errors
    /// When it does not become ready; its log says why.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        self.spawn()?;
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take());
        let mut stdout = BufReader::new(stdout.context("its standard output")?);
        let mut line = String::new();
        let read = timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let Some(url) = line.trim().strip_prefix(READY) else {
            bail!("the server did not start ({read:?}); its log ends with\n{}", self.last_words());
        };
        self.url.send_replace(url.to_owned());
        Ok(())
    }

    /// Starts it, and does not wait until it is ready.
    pub(crate) fn spawn(&mut self) -> anyhow::Result<()> {
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(&self.args)
            .envs(self.variables.iter().cloned())
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().context("start the server")?);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn pid(&self) -> anyhow::Result<Pid> {
        let pid = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        pid.and_then(Pid::from_raw).context("the server does not run")
    }

    /// Whether it ended though nobody told it to.
    pub(crate) fn died(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid()?, signal).context("signal the server")
    }

    /// SIGKILL, and wait until it is gone.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.gone().await.map(drop)
    }

    /// SIGTERM, and wait until it is gone.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.gone().await
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(WORDS).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    async fn gone(&mut self) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.take().context("the server does not run")?;
        Ok(timeout(PATIENCE, child.wait()).await.context("wait for the server's end")??)
    }
}
