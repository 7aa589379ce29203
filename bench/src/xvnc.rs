//! A screen without any of us: the X server as a job has it, and what is shown on it, on this machine.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::PATIENCE;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::missing;
use crate::rfb::{Viewer, Way};

/// As agentd starts it.
const ARGS: &str = "-displayfd 1 -geometry 1280x800 -depth 24 -s 0 -nolisten tcp -rfbport -1 \
                    -SecurityTypes None -AlwaysShared -rfbunixpath";

/// One that runs. Ends, and all that is shown with it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Xvnc {
    folder: TempDir,
    server: Child,
    display: String,
    windows: Option<Child>,
}

/// # Errors
/// When there can be no desktop here, and nothing on it.
pub(crate) fn needed() -> anyhow::Result<()> {
    missing::needs(&["Xvnc", "openbox", "xterm"], "tigervnc-standalone-server openbox xterm")
}

impl Xvnc {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let mut command = Command::new("Xvnc");
        command.args(ARGS.split_whitespace()).arg(folder.path().join("rfb"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().context("start Xvnc")?;
        let mut display = String::new();
        let mut stdout = BufReader::new(server.stdout.take().context("a pipe")?);
        timeout(PATIENCE, stdout.read_line(&mut display)).await.context("wait for Xvnc")??;
        ensure!(
            !display.trim().is_empty(),
            "Xvnc did not start; say by hand: Xvnc {ARGS} /tmp/rfb"
        );
        let display = format!(":{}", display.trim());
        Ok(Self { folder, server, display, windows: None })
    }

    /// Shows what this command shows, in windows that are managed as in a job.
    pub(crate) fn show(&mut self, command: &str) -> anyhow::Result<()> {
        let script = self.folder.path().join("show");
        std::fs::write(&script, command)?;
        let mut openbox = Command::new("openbox");
        // Not beside it: a window that comes while it starts may be shown by nobody.
        openbox.arg("--startup").arg(format!("sh {}", script.display()));
        openbox.env("DISPLAY", &self.display).kill_on_drop(true);
        openbox.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.windows = Some(openbox.spawn().context("start openbox")?);
        Ok(())
    }

    pub(crate) async fn viewer(&self) -> anyhow::Result<Viewer> {
        let stream = UnixStream::connect(self.folder.path().join("rfb")).await?;
        Viewer::new(Way::Unix(stream)).await
    }
}

impl Drop for Xvnc {
    fn drop(&mut self) {
        // Not killed: it removes the files of its display.
        let pid = self.server.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}
