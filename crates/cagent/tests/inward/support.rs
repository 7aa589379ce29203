//! The service in this process, with the programs for sandboxes as they are in `cagent`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use engine_local::{LocalConfig, LocalEngine, UidRange};
use jobs::{Config, Folders, Inward, Jobs, NetworkPolicy, ScheduleRequest, Target};
use models::Models;
use testkit::DataDir;
use tokio::time::timeout;
use types::{EventKind, JobId, JobStatus, Limits, LimitsPolicy, Mode, Network};

/// Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Dropped in this order: the sandboxes go with the directory.
pub(crate) struct Bed {
    pub(crate) jobs: Jobs,
    _data: DataDir,
}

impl Bed {
    /// With this beside what the host's interpreters need.
    pub(crate) async fn new(expose: Option<&Path>) -> Self {
        let data = DataDir::new();
        let tools = data.path().join("tools");
        std::fs::create_dir_all(tools.join("bin")).unwrap();
        let helper = data.path().join("sandbox-helper");
        std::fs::copy(env!("CAGENT_HELPER"), &helper).unwrap();
        std::fs::copy(env!("CAGENT_AGENTD"), tools.join("bin/agentd")).unwrap();
        let interpreters = std::env::var_os("CAGENT_EXPOSE").unwrap_or_default();
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        let expose = std::env::split_paths(&interpreters)
            .filter(named)
            .chain(expose.map(Path::to_owned))
            .collect();
        let home = data.path().join("sandboxes");
        let (images, uids) = (data.path().join("images"), UidRange::default());
        let local = LocalConfig { home, helper, tools, expose, images, uids };
        let engine = LocalEngine::open(local).unwrap();
        let folders = Folders::claim(&data.path().join("jobs"), &data.path().join("out")).unwrap();
        let jobs = Jobs::open(folders, config(), vec![Arc::new(engine)]).await.unwrap();
        Self { jobs, _data: data }
    }

    /// A job that has come as far as to say `ready`.
    pub(crate) async fn ready(&self, prompt: &str) -> JobId {
        let job = self.jobs.schedule(request(prompt)).await.unwrap();
        let said = |event: &EventKind| match event {
            EventKind::Output { text: Some(text), .. } => text.contains("ready"),
            _ => false,
        };
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let ready = async {
            while let Some(page) = follower.next().await.unwrap() {
                if page.iter().any(|event| said(&event.event)) {
                    return;
                }
            }
            panic!("it ended before that: {:?}", self.jobs.get(job).await.unwrap());
        };
        timeout(PATIENCE, ready).await.unwrap();
        job
    }

    pub(crate) async fn dial(&self, job: JobId, to: Target) -> Result<Inward, String> {
        let dialled = async {
            loop {
                match self.jobs.dial(job, to).await.map_err(|e| e.to_string()) {
                    // On a machine that builds something else meanwhile.
                    Err(why) if why.contains("is still starting") => {}
                    dialled => return dialled,
                }
            }
        };
        timeout(PATIENCE, dialled).await.unwrap()
    }

    /// Waits until the job is complete.
    pub(crate) async fn complete(&self, job: JobId) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let all = async { while follower.next().await.unwrap().is_some() {} };
        timeout(PATIENCE, all).await.unwrap();
        let record = self.jobs.get(job).await.unwrap();
        assert_eq!(record.status, JobStatus::Complete, "{record:?}");
    }
}

/// A Jupyter Lab that sandboxes can be shown.
pub(crate) fn jupyter() -> &'static Path {
    static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/jupyter");
        let made = Command::new(&script).output().unwrap();
        let complaint = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "this test needs {}: {complaint}", script.display());
        String::from_utf8(made.stdout).unwrap().trim().into()
    });
    &PLACE
}

fn config() -> Config {
    let (defaults, ceilings) = (Limits::default(), Limits::default());
    Config {
        concurrency: 4,
        retention: Duration::from_secs(86_400),
        limits: LimitsPolicy { defaults, ceilings },
        network: NetworkPolicy { default: Network::None, ceiling: Network::Open },
        egress_allow: Arc::new([]),
        own_ports: Arc::new([]),
        models: Arc::new(Models::new(vec![])),
        reserve_bytes: 0,
        results_bytes: u64::MAX,
        engine_patience: std::time::Duration::from_secs(60),
        tells: false,
        clock: jobs::Clock::default(),
    }
}

fn request(prompt: &str) -> ScheduleRequest {
    ScheduleRequest { prompt: prompt.into(), mode: Mode::Runbook, ..ScheduleRequest::default() }
}
