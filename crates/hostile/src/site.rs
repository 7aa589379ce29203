//! Where it happens: a server with an engine, a secret of the host, services that nobody may reach, and
//! a job of somebody else beside the programs.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use testkit::docker::{Daemon, IMAGE};
use testkit::{Builder, Client, DataDir, Server};
use types::{EventKind, JobId, JobStatus, Stream};

use crate::bait::Bait;
use crate::entry::Entry;
use crate::{Args, Engine, catalogue, leftovers};

/// Uids of sandboxes that nobody else of this machine has, so that their processes are known.
const UIDS: u32 = 512;

/// A server and all that its jobs must not reach.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) engine: Engine,
    /// What no job may ever know; it is in a file of the host, in the server's variables, and with the
    /// job beside them.
    pub(crate) secret: String,
    server: Server,
    dir: TempDir,
    bait: Bait,
    bystander: JobId,
}

impl Site {
    /// # Errors
    /// When the program is not there, or the host has no place for what is laid out.
    ///
    /// # Panics
    /// When the server does not start.
    pub(crate) async fn start(args: &Args, engine: Engine) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("hostile-").context("make a folder")?;
        let secret = format!("secret-of-the-host-{}", JobId::generate());
        fs::write(dir.path().join("canary"), &secret).context("plant a secret")?;
        let bait = Bait::lay().context("lay bait")?;
        let server = server(args, engine, &secret).await?;
        let bystander = server.client().schedule(&bystander(engine, &secret)?).await;
        let is_ready = |event: &types::Event| matches!(event.event, EventKind::Output { .. });
        server.client().events_until(bystander, is_ready).await;
        Ok(Self { engine, secret, server, dir, bait, bystander })
    }

    pub(crate) fn client(&self) -> &Client {
        self.server.client()
    }

    /// A program as a job.
    pub(crate) fn job(&self, entry: &Entry) -> Value {
        json!({
            "prompt": block(&entry.code),
            "mode": "runbook",
            "engine": self.engine.name(),
            "limits": limits(entry),
            "network": entry.network,
            "environment": self.variables(),
        })
    }

    /// Ends the job beside them; tells if something had happened to it.
    pub(crate) async fn end_victim(&self) -> Option<String> {
        let client = self.client();
        let status = client.status(self.bystander).await.status;
        let said = client.log(self.bystander, Stream::Stdout).await;
        client.cancel(self.bystander).await;
        client.wait_end(self.bystander).await;
        let is_well = status == JobStatus::Running && said == b"ready\n";
        (!is_well).then(|| format!("{status}: {}", String::from_utf8_lossy(&said)))
    }

    /// What is left when every job is over, beside and after the server.
    pub(crate) async fn left(self) -> Vec<String> {
        let jobs: Vec<_> = self.client().jobs().await.jobs.iter().map(|job| job.job_id).collect();
        let data = self.server.data_dir().clone();
        let look = || leftovers::look(data.path(), uids(), &jobs, self.engine);
        let mut left = leftovers::wait(look).await;
        self.server.stop().await;
        left.extend(leftovers::look(data.path(), uids(), &jobs, self.engine));
        if self.engine == Engine::Docker
            && let Some(owner) = leftovers::owner(data.path())
        {
            Daemon::usual().sweep(&owner);
        }
        left
    }

    /// What programs are told of what is there to reach.
    fn variables(&self) -> Value {
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        json!({
            "API": address(self.server.url()),
            "BAIT": self.bait.allowed.to_string(),
            "DATA": self.server.data_dir().path(),
            "HOST_ABSTRACT": self.bait.abstract_name,
            "HOST_FILE": self.dir.path().join("canary"),
            "HOST_PID": self.server.pid().to_string(),
            "HOST_PORT": self.bait.forbidden_port().unwrap_or_default().to_string(),
            "VICTIM": self.bystander.to_string(),
        })
    }
}

/// A server of this engine.
///
/// # Errors
/// When its program is not there.
pub(crate) async fn server(args: &Args, engine: Engine, secret: &str) -> anyhow::Result<Server> {
    let program = args.cagent.clone().map_or_else(beside, Ok)?;
    anyhow::ensure!(program.is_file(), "{} is missing: cargo build", program.display());
    let builder = Builder::new(&program)
        .data_dir(&DataDir::new())
        // The job beside them, a program, and one that hangs.
        .args(["--engine", engine.name(), "--concurrency", "3"])
        .env("SECRET_OF_THE_SERVER", secret)
        .env("CAGENT_CONFIG", "")
        .env("CAGENT_UIDS", format!("{}:{UIDS}", uids().start))
        .env("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0")
        .env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0")
        .env("CAGENT_EGRESS_ALLOW", "127.0.0.2");
    let builder = match engine {
        Engine::Local => builder,
        Engine::Docker => builder.env("DOCKER_HOST", Daemon::usual().0).env("AGENT_IMAGE", IMAGE),
    };
    Ok(builder.start().await)
}

/// A runbook of one block of Python.
pub(crate) fn block(code: &str) -> String {
    format!("``````python\n{code}\n``````\n")
}

/// Small enough that each limit is met soon, but for what the program has otherwise.
pub(crate) fn limits(entry: &Entry) -> Map<String, Value> {
    let tight = json!({
        "cpus": 1,
        "memory_bytes": 256 << 20,
        "processes": 64,
        "open_files": 256,
        "disk_bytes": 32 << 20,
        "file_bytes": 16 << 20,
        "output_bytes": 4 << 20,
        "wall_seconds": 120,
    });
    let mut limits = tight.as_object().cloned().unwrap_or_default();
    limits.extend(entry.limits.clone());
    limits
}

fn bystander(engine: Engine, secret: &str) -> anyhow::Result<Value> {
    Ok(json!({
        "prompt": block(&catalogue::program("bystander")?),
        "mode": "runbook",
        "engine": engine.name(),
        "network": "none",
        "environment": { "SECRET": secret },
    }))
}

/// The uids that the sandboxes may have.
fn uids() -> Range<u32> {
    let first = 1_800_000_000 + std::process::id() % 100_000 * UIDS;
    first..first + UIDS
}

/// The program beside this one.
fn beside() -> anyhow::Result<PathBuf> {
    Ok(Path::new(&std::env::current_exe()?).with_file_name("cagent"))
}
