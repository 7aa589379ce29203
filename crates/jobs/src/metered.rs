//! An engine whose failures are counted, whoever calls it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Ended, Engine, EngineError, SandboxSpec, SandboxState, Workspace};
use types::{JobId, SandboxReport, Usage};

use crate::metrics::Metrics;

/// What is counted.
const CALLS: [&str; 12] = [
    "report",
    "ready",
    "create",
    "keep",
    "adopt",
    "start",
    "stop",
    "wait",
    "list",
    "stats",
    "remove",
    "workspace",
];

/// An engine beside its count.
#[derive(Debug)]
pub(crate) struct Metered {
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
}

impl Metered {
    pub(crate) fn over(engine: Arc<dyn Engine>, metrics: &Arc<Metrics>) -> Arc<dyn Engine> {
        for call in CALLS {
            metrics.engine_is_there(engine.name(), call);
        }
        Arc::new(Self { engine, metrics: metrics.clone() })
    }

    fn note<T>(&self, call: &str, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        // Who asks for what is not there gets an answer.
        if matches!(&answer, Err(e) if !matches!(e, EngineError::NotFound(_))) {
            self.metrics.engine_failed(self.engine.name(), call);
        }
        answer
    }
}

#[async_trait]
impl Engine for Metered {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    async fn report(&self) -> Result<SandboxReport, EngineError> {
        self.note("report", self.engine.report().await)
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.note("ready", self.engine.ready().await)
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.note("create", self.engine.create(spec).await)
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        self.note("keep", self.engine.keep(job).await)
    }

    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.note("adopt", self.engine.adopt(from, spec).await)
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        self.note("start", self.engine.start(job).await)
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        self.note("stop", self.engine.stop(job).await)
    }

    async fn wait(&self, job: JobId) -> Result<Ended, EngineError> {
        self.note("wait", self.engine.wait(job).await)
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        self.note("list", self.engine.list().await)
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        self.note("stats", self.engine.stats(job).await)
    }

    async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        self.note("remove", self.engine.remove(job).await)
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        self.note("workspace", self.engine.workspace(job).await)
    }

    fn gateway_dir(&self, job: JobId) -> PathBuf {
        self.engine.gateway_dir(job)
    }

    fn command_user(&self) -> Option<u32> {
        self.engine.command_user()
    }
}
