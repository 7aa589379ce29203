//! The sandboxes, which outlive the orchestrator.

use std::rc::Rc;

use ::engine::{Ended, EngineError, SandboxEnd, SandboxState};
use tokio::sync::watch;
use tokio::task::JoinSet;
use types::{JobId, Usage};

use super::agent;
use super::world::{Process, World};

pub(super) struct Sandbox {
    /// What runs in it; none before it is started.
    inside: Option<Process>,
    end: watch::Sender<Option<SandboxEnd>>,
}

impl World {
    pub(super) async fn create(&self, job: JobId) {
        self.delay().await;
        let sandbox = Sandbox { inside: None, end: watch::Sender::default() };
        if self.sandboxes.borrow_mut().insert(job, sandbox).is_some() {
            self.is_wrong("a job has a second sandbox");
        }
        self.delay().await;
    }

    pub(super) async fn start(self: &Rc<Self>, job: JobId) {
        self.delay().await;
        if self.facts(job).connected {
            self.is_wrong("a job whose agent was connected is started again");
        }
        let inside: Process = Process::new(JoinSet::new().into());
        if let Some(sandbox) = self.sandboxes.borrow_mut().get_mut(&job) {
            sandbox.inside = Some(inside.clone());
            let (end, agent) = (sandbox.end.clone(), agent::live(self.clone(), job));
            inside.borrow_mut().spawn_local(async move {
                let code = agent.await;
                end.send_if_modified(|end| end.replace(SandboxEnd::Exited { code }).is_none());
            });
        }
        self.delay().await;
    }

    pub(super) async fn stop(&self, job: JobId) {
        self.delay().await;
        self.end(job, SandboxEnd::Stopped);
    }

    /// At once, whoever does it.
    pub(super) fn end(&self, job: JobId, how: SandboxEnd) {
        if let Some(sandbox) = self.sandboxes.borrow_mut().get_mut(&job) {
            if let Some(inside) = sandbox.inside.take() {
                self.kill(&inside);
            }
            sandbox.end.send_modify(|end| *end = end.or(Some(how)));
        }
    }

    /// What runs in it, if it runs.
    pub(super) fn inside(&self, job: JobId) -> Option<Process> {
        self.sandboxes.borrow().get(&job)?.inside.clone()
    }

    pub(super) async fn wait(&self, job: JobId) -> Result<Ended, EngineError> {
        let end = self.sandboxes.borrow().get(&job).map(|sandbox| sandbox.end.subscribe());
        let mut end = end.ok_or(EngineError::NotFound(job))?;
        let ended = end.wait_for(Option::is_some).await.map(|end| *end);
        let Ok(Some(end)) = ended else { return Err(EngineError::NotFound(job)) };
        Ok(Ended { end, usage: Usage::default(), disk_full: false, disk_lost: false })
    }

    pub(super) async fn remove(&self, job: JobId) {
        self.delay().await;
        self.end(job, SandboxEnd::Stopped);
        self.sandboxes.borrow_mut().remove(&job);
        self.delay().await;
    }

    pub(super) fn list(&self) -> Vec<(JobId, SandboxState)> {
        let state = |sandbox: &Sandbox| match (&sandbox.inside, *sandbox.end.borrow()) {
            (_, Some(_)) => SandboxState::Ended,
            (Some(_), None) => SandboxState::Running,
            (None, None) => SandboxState::Created,
        };
        self.sandboxes.borrow().iter().map(|(job, sandbox)| (*job, state(sandbox))).collect()
    }
}
