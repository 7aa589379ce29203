//! The bare launcher: the engine alone makes a sandbox for one command, without a job, an agent or
//! a store around it. It is a process of its own, as small as it can be, that does as it is told
//! on its standard input.

use std::fs::Permissions;
use std::io::{BufRead as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use engine::{Engine as _, SandboxSpec};
use engine_local::{LocalConfig, LocalEngine, UidRange};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use testkit::PATIENCE;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::timeout;
use types::{JobId, Limits};

use crate::stats::millis;

/// Says something as soon as it runs. Its only way out of the sandbox is the gateway's directory.
const READY: &str = "#!/bin/sh\necho ready > /run/cagent/out\n";

/// What it is told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// So many sandboxes.
    pub(crate) lives: usize,
    /// So many of them at one time.
    pub(crate) at_once: usize,
    /// Whether their commands stay until they are stopped.
    pub(crate) stay: bool,
}

/// How long parts of one sandbox's life took, in milliseconds from its beginning.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Life {
    /// Until its command said something.
    pub(crate) output: f64,
    /// Until nothing was left of it.
    pub(crate) gone: f64,
    /// From the call of `stop` until nothing ran any more.
    pub(crate) stop: f64,
}

/// A bare launcher, running. Ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    orders: Option<ChildStdin>,
    lives: std::io::BufReader<ChildStdout>,
}

impl Bare {
    /// Starts this program as one, with the helper that a server unpacked into its data directory.
    pub(crate) fn start(this_program: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(this_program);
        command.arg("bare").arg(helper(data_dir)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start the bare launcher")?;
        let orders = child.stdin.take();
        let lives = std::io::BufReader::new(child.stdout.take().context("a pipe")?);
        Ok(Self { child, orders, lives })
    }

    /// Lets so many sandboxes live. Blocks.
    pub(crate) fn live(&mut self, order: Order) -> anyhow::Result<Vec<Life>> {
        let orders = self.orders.as_mut().context("a pipe")?;
        writeln!(orders, "{}", serde_json::to_string(&order)?)?;
        let mut line = String::new();
        self.lives.read_line(&mut line)?;
        serde_json::from_str(&line).context("the bare launcher failed; it said why above")
    }

    /// Lets one sandbox live. Blocks.
    pub(crate) fn live_once(&mut self, stay: bool) -> anyhow::Result<Life> {
        let lives = self.live(Order { lives: 1, at_once: 1, stay })?;
        lives.first().copied().context("one life")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// The other side: does as it is told until there are no more orders.
pub(crate) async fn serve(helper: &Path) -> anyhow::Result<()> {
    let home = TempDir::new()?;
    let ends = engine(&home.path().join("ends"), helper, "")?;
    let stays = engine(&home.path().join("stays"), helper, "exec sleep 1000\n")?;
    for order in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&order?)?;
        let engine = if order.stay { &stays } else { &ends };
        let lives = all(engine, order).await?;
        crate::say(&serde_json::to_string(&lives)?);
    }
    Ok(())
}

fn engine(home: &Path, helper: &Path, then: &str) -> anyhow::Result<Arc<LocalEngine>> {
    let tools = home.join("tools");
    std::fs::create_dir_all(tools.join("bin"))?;
    let command = tools.join("bin/agentd");
    std::fs::write(&command, format!("{READY}{then}"))?;
    std::fs::set_permissions(&command, Permissions::from_mode(0o755))?;
    let engine = LocalEngine::open(LocalConfig {
        home: home.join("sandboxes"),
        helper: helper.into(),
        tools,
        expose: vec![],
        images: home.join("images"),
        uids: UidRange::default(),
    })?;
    Ok(Arc::new(engine))
}

async fn all(engine: &Arc<LocalEngine>, order: Order) -> anyhow::Result<Vec<Life>> {
    let (mut lives, mut running) = (vec![], JoinSet::new());
    for _ in 0..order.lives {
        if running.len() == order.at_once {
            lives.push(running.join_next().await.context("one runs")???);
        }
        let engine = engine.clone();
        running.spawn(async move { live(&engine, order.stay).await });
    }
    while let Some(ended) = running.join_next().await {
        lives.push(ended??);
    }
    Ok(lives)
}

async fn live(engine: &LocalEngine, stop: bool) -> anyhow::Result<Life> {
    let spec = SandboxSpec { job: JobId::generate(), limits: Limits::default(), image: None };
    let begun = Instant::now();
    engine.create(&spec).await?;
    let mut out = pipe_at(&engine.gateway_dir(spec.job).join("out"))?;
    engine.start(spec.job).await?;
    let mut said = [0; 5];
    timeout(PATIENCE, out.read_exact(&mut said)).await.context("wait for output")??;
    ensure!(&said == b"ready", "the sandbox said {said:?}");
    let output = millis(begun);
    let stopping = Instant::now();
    if stop {
        engine.stop(spec.job).await?;
    }
    engine.wait(spec.job).await?;
    let stop = millis(stopping);
    engine.remove(spec.job).await?;
    Ok(Life { output, gone: millis(begun), stop })
}

/// Makes a named pipe that everybody may write to and opens its reading end. Also its writing end,
/// or there would be an end of the file before the first writer.
fn pipe_at(path: &Path) -> anyhow::Result<pipe::Receiver> {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(pipe::OpenOptions::new().read_write(true).open_receiver(path)?)
}

fn helper(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let tools = data_dir.join("tools");
    let versions =
        std::fs::read_dir(&tools).with_context(|| format!("list {}", tools.display()))?;
    let mut helpers = versions.flatten().map(|version| version.path().join("sandbox-helper"));
    helpers.find(|path| path.exists()).context("the server unpacked no sandbox-helper")
}
