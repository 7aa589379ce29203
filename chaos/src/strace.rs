//! `strace` at a running server: holds one of its threads right behind a system call, or lets calls
//! fail. It lets go of what the server starts, so sandboxes never know.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::plan::Moment;

/// How long a call is waited for that the server may never make.
const CALL: Duration = Duration::from_secs(3);

/// Attaching and letting go is quick, also on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);

/// What makes a change of SQLite.
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate";

/// An `strace` that has the server.
#[derive(Debug)]
pub(crate) struct Strace {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
}

/// Whether it can be used here.
///
/// # Errors
/// When not, with what to install.
pub(crate) async fn check() -> anyhow::Result<()> {
    let ran = Command::new("strace").args(["-o", "/dev/null", "true"]).output().await;
    let cure = "apt-get install strace; in a container it takes the capability SYS_PTRACE";
    ensure!(ran.is_ok_and(|ran| ran.status.success()), "strace cannot trace here: {cure}");
    Ok(())
}

impl Strace {
    /// Holds the thread that makes the `nth` of these calls from now on, for as long as it takes to
    /// kill the process.
    pub(crate) async fn hold(
        pid: Pid,
        data: &Path,
        moment: &Moment,
        nth: u64,
    ) -> anyhow::Result<Self> {
        let hold = format!("inject={}:delay_exit=60s:when={nth}", moment.call);
        let files: Vec<_> = moment.file.iter().map(|file| data.join(file)).collect();
        Self::attach(pid, moment.call, &hold, &files).await
    }

    /// Lets every write to the store fail.
    pub(crate) async fn fail(pid: Pid, data: &Path) -> anyhow::Result<Self> {
        let files = ["cagent.db", "cagent.db-wal"].map(|name| data.join(name));
        Self::attach(pid, WRITES, &format!("inject={WRITES}:error=EIO"), &files).await
    }

    /// Whether a thread was held before the patience was over.
    pub(crate) async fn held(&mut self) -> bool {
        let wait = async {
            while let Ok(Some(line)) = self.said.next_line().await {
                if line.contains("(DELAYED)") {
                    return true;
                }
            }
            false
        };
        timeout(CALL, wait).await.unwrap_or(false)
    }

    /// Ends beside a server that was killed. Told gently, it would wait for the thread it holds.
    pub(crate) async fn abandon(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("end strace")
    }

    /// Goes away, and leaves the server as it is.
    pub(crate) async fn detach(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            // It has perhaps gone with the server.
            let _ = kill_process(pid, Signal::TERM);
        }
        // Read to its end: a full pipe would hold it.
        let gone = async {
            while let Ok(Some(_)) = self.said.next_line().await {}
            self.child.wait().await
        };
        timeout(PATIENCE, gone).await.context("wait for strace")??;
        Ok(())
    }

    async fn attach<P: AsRef<Path>>(
        pid: Pid,
        calls: &str,
        inject: &str,
        files: &[P],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-b", "execve", "-e", &format!("trace={calls}"), "-e", inject]);
        for file in files {
            command.arg("-P").arg(file.as_ref());
        }
        command.args(["-p", &pid.as_raw_nonzero().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("start strace")?;
        let stderr = child.stderr.take().context("what strace says")?;
        let mut strace = Self { child, said: BufReader::new(stderr).lines() };
        let first =
            timeout(PATIENCE, strace.said.next_line()).await.context("wait for strace")??;
        let attached = first.as_deref().is_some_and(|line| line.contains("attached"));
        ensure!(attached, "strace does not attach: {first:?}");
        Ok(strace)
    }
}
