//! A service on a real store, and the sink of a job that is not begun, for tests.

use std::sync::Arc;
use std::time::Duration;

use engine::FakeEngine;
use models::{Kind, Models, Price, Provider, ToolMode};
use protocol::{AgentSpec, Assignment};
use store::{Draft, Durability, JobState};
use tempfile::TempDir;
use types::{
    Egress, EgressVerdict, Isolation, JobId, Limits, LimitsPolicy, Network, SandboxReport,
};

use crate::ask::Asking;
use crate::sink::JobSink;
use crate::translate::{Measure, Progress};
use crate::{Clock, Config, Folders, Jobs, NetworkPolicy, ScheduleRequest};

pub(crate) struct Bed {
    pub(crate) jobs: Jobs,
    pub(crate) sink: JobSink,
    _home: TempDir,
}

impl Bed {
    /// One where nothing is begun.
    pub(crate) async fn new() -> Self {
        Self::with(config(0), FakeEngine::idle().unwrap()).await
    }

    pub(crate) async fn with(config: Config, engine: FakeEngine) -> Self {
        let home = TempDir::new().unwrap();
        let folders = Folders::claim(&home.path().join("data"), &home.path().join("output"));
        let jobs = Jobs::open(folders.unwrap(), config, vec![Arc::new(engine)]).await.unwrap();
        let job = jobs.schedule(ScheduleRequest { prompt: "ask".into(), ..Default::default() });
        let job = job.await.unwrap();
        Self { sink: sink(&jobs, job), jobs, _home: home }
    }

    /// The job as it is once all before is done.
    pub(crate) async fn state(&self) -> JobState {
        let look = |draft: &mut Draft| draft.state.clone();
        self.jobs.inner.store.update(self.sink.job, Durability::Grouped, look).await.unwrap()
    }
}

pub(crate) fn config(concurrency: usize) -> Config {
    Config {
        concurrency,
        retention: Duration::MAX,
        limits: LimitsPolicy { defaults: Limits::default(), ceilings: Limits::default() },
        network: NetworkPolicy { default: Network::None, ceiling: Network::None },
        egress_allow: Arc::new([]),
        own_ports: Arc::new([]),
        models: Arc::new(Models::new(vec![provider()])),
        reserve_bytes: 0,
        results_bytes: u64::MAX,
        engine_patience: Duration::ZERO,
        tells: false,
        clock: Clock::default(),
    }
}

/// A connection that is over.
pub(crate) fn egress() -> Egress {
    Egress {
        host: "example.org".into(),
        port: 443,
        verdict: EgressVerdict::Allowed,
        why: None,
        sent_bytes: 1,
        received_bytes: 1,
        millis: 1,
        count: 1,
    }
}

fn provider() -> Provider {
    Provider {
        kind: Kind::Ollama,
        key: None,
        base_url: "http://127.0.0.1:9".parse().unwrap(),
        model: "llama".into(),
        window_tokens: 32_000,
        images: false,
        tools: ToolMode::Native,
        price: Some(Price { input: 1.0, cached: 1.0, output: 1.0 }),
        silence: Duration::from_secs(1),
    }
}

pub(crate) fn sink(jobs: &Jobs, job: JobId) -> JobSink {
    let models = jobs.inner.config.models.clone();
    let asking = Asking::new(models, None, Limits::default()).unwrap();
    let assignment = Assignment::Task { prompt: "ask".into(), model: asking.facts().unwrap() };
    let spec = AgentSpec {
        job,
        assignment,
        approve: false,
        include_caches: false,
        command_user: None,
        environment: Default::default(),
        desktop: false,
        checkpoint: None,
        resumes: None,
    };
    let (engine, isolation, shortfalls) = ("fake".into(), Isolation::None, vec![]);
    let report = SandboxReport { engine, isolation, shortfalls };
    let measure = Measure { output_bytes: 1, steps: None };
    JobSink::new(jobs.inner.clone(), spec, Some(asking), report, measure, Progress::default())
}
