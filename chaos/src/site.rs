//! Where it happens: a data directory of its own, on a disk of its own where that is wanted, the
//! server on it, a Docker daemon of its own, and what of all that cannot be had here.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use testkit::docker::{IMAGE, OwnDaemon};
use types::JobId;

use crate::disk::Disk;
use crate::orchestrator::Orchestrator;
use crate::plan::Fault;
use crate::{Args, processes, strace};

/// How many jobs run at one time: more than the cores, so that much is under way whenever it hits.
const CONCURRENCY: u32 = 6;

/// Uids of sandboxes that nobody else of this machine has, so that their processes are known.
const UIDS: u32 = 512;

/// The machine as far as it is ours.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) data: PathBuf,
    pub(crate) engines: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) disk: Option<Disk>,
    pub(crate) daemon: Option<OwnDaemon>,
    dir: Option<TempDir>,
}

impl Site {
    /// What was asked for, as far as this machine has it. What it has not is told by name.
    pub(crate) async fn prepare(args: &Args, say: fn(&str)) -> anyhow::Result<Self> {
        ensure!(args.cagent()?.is_file(), "{} is missing: cargo build", args.cagent()?.display());
        let dir = TempDir::with_prefix("chaos-").context("make a folder")?;
        let path = dir.path().canonicalize()?;
        let mut faults = args.faults.clone();
        let mut left_out = |fault: &[Fault], why: String| {
            say(&format!("chaos: left out: {fault:?}: {why}"));
            faults.retain(|kept| !fault.contains(kept));
        };
        if let Err(why) = strace::check().await {
            left_out(&[Fault::Moment, Fault::Io], format!("{why:#}"));
        }
        let disk = match args.faults.contains(&Fault::Disk).then(|| Disk::mount(&path)) {
            Some(Err(why)) => {
                left_out(&[Fault::Disk], format!("{why:#}"));
                None
            }
            made => made.transpose()?,
        };
        let mut engines = args.engines.clone();
        let daemon = match engines.iter().any(|engine| engine == "docker") {
            false => None,
            // What cannot be had panics, as is right in a test.
            true => match tokio::task::spawn_blocking(own_daemon).await {
                Ok(daemon) => Some(daemon),
                Err(why) => {
                    say(&format!("chaos: left out: engine docker: {why} (scripts/docker)"));
                    engines.retain(|engine| engine != "docker");
                    None
                }
            },
        };
        if daemon.is_none() {
            faults.retain(|kept| *kept != Fault::Daemon);
        }
        ensure!(!engines.is_empty(), "none of the engines can be used here");
        let data = disk.as_ref().map_or(&path, |disk| &disk.path).join("data");
        let orchestrator = Orchestrator::new(&args.cagent()?, &path);
        let mut site = Self { orchestrator, data, engines, faults, disk, daemon, dir: Some(dir) };
        site.configure();
        Ok(site)
    }

    /// The uids that its sandboxes may have.
    pub(crate) fn uids(&self) -> Range<u32> {
        let first = 1_900_000_000 + std::process::id() % 100_000 * UIDS;
        first..first + UIDS
    }

    /// The containers and volumes that are there.
    pub(crate) fn containers(&self) -> Vec<String> {
        let Some(own) = &self.daemon else { return vec![] };
        let all = |args: &[&str]| own.daemon().ask(args);
        let volumes =
            all(&["volume", "ls", "-q"]).into_iter().filter(|name| !name.contains("tools"));
        all(&["ps", "-aq"])
            .into_iter()
            .chain(volumes)
            .map(|id| format!("container or volume {id}"))
            .collect()
    }

    /// Kills what runs in one of the containers that live. Whose it was.
    pub(crate) fn kill_container(&self, nth: u64) -> Option<JobId> {
        let daemon = self.daemon.as_ref()?.daemon();
        let format = "{{.ID}}={{.Label \"cagent.job\"}}";
        let live = daemon.ask(&["ps", "--filter", "label=cagent.job", "--format", format]);
        let nth = usize::try_from(nth).ok()?.checked_rem(live.len())?;
        let (container, job) = live.get(nth)?.split_once('=')?;
        daemon.docker(&["kill", container]);
        job.parse().ok()
    }

    /// Leaves everything where it is, for a look.
    pub(crate) fn keep(mut self) -> Option<PathBuf> {
        if let Some(disk) = self.disk.take() {
            std::mem::forget(disk);
        }
        self.dir.take().map(TempDir::keep)
    }

    fn configure(&mut self) {
        let uids = self.uids();
        let args = ["--concurrency", &CONCURRENCY.to_string(), "--engine", &self.engines.join(",")];
        self.orchestrator.args = args.map(Into::into).into();
        let variables = [
            ("CAGENT_DATA_DIR", self.data.clone().into_os_string()),
            ("CAGENT_CONFIG", "".into()),
            ("CAGENT_UIDS", format!("{}:{UIDS}", uids.start).into()),
            ("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0".into()),
            ("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0".into()),
            ("CAGENT_RESERVE", "64M".into()),
            ("CAGENT_LIMIT_DISK_BYTES", "32M".into()),
            ("RUST_LOG", "info".into()),
        ];
        self.orchestrator.variables = variables.into();
        if let Some(own) = &self.daemon {
            let variables =
                [("DOCKER_HOST", own.daemon().0.clone()), ("AGENT_IMAGE", IMAGE.into())];
            self.orchestrator.variables.extend(variables.map(|(name, value)| (name, value.into())));
        }
    }
}

impl Drop for Site {
    /// Sandboxes outlive the server, also that of a run that was broken off; not us.
    fn drop(&mut self) {
        // First the server, who would start others.
        if let Ok(pid) = self.orchestrator.pid() {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
        for helper in processes::helpers(&self.data) {
            let _ = kill_process(helper.pid, Signal::KILL);
        }
    }
}

/// A daemon whose containers live on when it dies.
fn own_daemon() -> OwnDaemon {
    OwnDaemon::dockerd("--live-restore")
}

/// The program beside this one.
pub(crate) fn beside() -> anyhow::Result<PathBuf> {
    Ok(Path::new(&std::env::current_exe()?).with_file_name("cagent"))
}
