use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::watch;
use types::{Isolation, JobId, SandboxReport, Usage};

use crate::{Ended, Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState, Workspace};

/// What the fake does in place of starting agentd: called with the job and its gateway directory,
/// on the caller's runtime. Its return value is the exit code agentd would have had.
pub type FakeAgent =
    Arc<dyn Fn(JobId, PathBuf) -> tokio::task::JoinHandle<i32> + Send + Sync + 'static>;

const NAME: &str = "fake";

/// An engine without a sandbox: directories, states and a function in place of agentd.
pub struct FakeEngine {
    home: TempDir,
    agent: FakeAgent,
    sandboxes: Mutex<HashMap<JobId, Fake>>,
    /// How many calls fail, and with what.
    failing: Mutex<(usize, fn() -> EngineError)>,
}

struct Fake {
    spec: SandboxSpec,
    ended: watch::Sender<Option<SandboxEnd>>,
    started: bool,
}

impl std::fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeEngine").field("home", &self.home).finish_non_exhaustive()
    }
}

impl FakeEngine {
    /// A fake whose agents never end by themselves.
    ///
    /// # Errors
    /// When no temporary directory can be made.
    pub fn idle() -> std::io::Result<Self> {
        Self::with_agent(Arc::new(|_, _| tokio::spawn(std::future::pending())))
    }

    /// A fake with this function in place of agentd.
    ///
    /// # Errors
    /// When no temporary directory can be made.
    pub fn with_agent(agent: FakeAgent) -> std::io::Result<Self> {
        let (home, sandboxes) = (TempDir::new()?, Mutex::default());
        Ok(Self { home, agent, sandboxes, failing: Mutex::new((0, away)) })
    }

    /// From now on it does not answer, or does again; what runs goes on.
    pub fn set_away(&self, away: bool) {
        self.fail(if away { usize::MAX } else { 0 }, self::away);
    }

    /// The next calls that list or create fail so.
    pub fn fail(&self, calls: usize, with: fn() -> EngineError) {
        *self.failing() = (calls, with);
    }

    fn answer(&self) -> Result<(), EngineError> {
        let mut failing = self.failing();
        let (calls, with) = *failing;
        let Some(left) = calls.checked_sub(1) else { return Ok(()) };
        failing.0 = left;
        Err(with())
    }

    fn failing(&self) -> MutexGuard<'_, (usize, fn() -> EngineError)> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sandboxes(&self) -> MutexGuard<'_, HashMap<JobId, Fake>> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, job: JobId) -> Result<watch::Sender<Option<SandboxEnd>>, EngineError> {
        let sandboxes = self.sandboxes();
        sandboxes.get(&job).map(|fake| fake.ended.clone()).ok_or(EngineError::NotFound(job))
    }

    fn folder(&self, job: JobId) -> PathBuf {
        self.home.path().join(job.to_string())
    }
}

fn away() -> EngineError {
    EngineError::Away { engine: NAME, why: "it is away".into(), cure: "wait".into() }
}

#[async_trait]
impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn report(&self) -> Result<SandboxReport, EngineError> {
        Ok(SandboxReport {
            engine: self.name().into(),
            isolation: Isolation::None,
            shortfalls: vec![],
        })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.answer()?;
        let mut sandboxes = self.sandboxes();
        if sandboxes.contains_key(&spec.job) {
            return Err(EngineError::Exists(spec.job));
        }
        for folder in [self.folder(spec.job).join("workspace"), self.gateway_dir(spec.job)] {
            std::fs::create_dir_all(&folder).map_err(|source| EngineError::Io {
                what: "create",
                path: folder,
                source,
            })?;
        }
        let fake = Fake { spec: spec.clone(), ended: watch::Sender::new(None), started: false };
        sandboxes.insert(spec.job, fake);
        Ok(())
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        let (ended, wall) = {
            let mut sandboxes = self.sandboxes();
            let fake = sandboxes.get_mut(&job).ok_or(EngineError::NotFound(job))?;
            fake.started = true;
            (fake.ended.clone(), Duration::from_secs(fake.spec.limits.wall_seconds.into()))
        };
        let mut agent = (self.agent)(job, self.gateway_dir(job));
        tokio::spawn(async move {
            let mut changes = ended.subscribe();
            let end = tokio::select! {
                code = &mut agent => SandboxEnd::Exited { code: code.unwrap_or(101) },
                () = tokio::time::sleep(wall) => SandboxEnd::WallTime,
                _ = changes.wait_for(Option::is_some) => SandboxEnd::Stopped,
            };
            agent.abort();
            ended.send_if_modified(|slot| {
                let first = slot.is_none();
                slot.get_or_insert(end);
                first
            });
        });
        Ok(())
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        self.ended(job)?.send_modify(|end| {
            end.get_or_insert(SandboxEnd::Stopped);
        });
        Ok(())
    }

    async fn wait(&self, job: JobId) -> Result<Ended, EngineError> {
        let mut changes = self.ended(job)?.subscribe();
        let end =
            *changes.wait_for(Option::is_some).await.map_err(|_| EngineError::NotFound(job))?;
        let end = end.unwrap_or(SandboxEnd::Lost);
        Ok(Ended { end, usage: Usage::default(), disk_full: false, disk_lost: false })
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        self.answer()?;
        let state = |fake: &Fake| match (fake.started, *fake.ended.borrow()) {
            (_, Some(_)) => SandboxState::Ended,
            (true, None) => SandboxState::Running,
            (false, None) => SandboxState::Created,
        };
        Ok(self.sandboxes().iter().map(|(job, fake)| (*job, state(fake))).collect())
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        self.ended(job).map(|_| Usage::default())
    }

    async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        if let Some(fake) = self.sandboxes().remove(&job) {
            fake.ended.send_replace(Some(SandboxEnd::Stopped));
        }
        match std::fs::remove_dir_all(self.folder(job)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::Io { what: "remove", path: self.folder(job), source: e })
            }
            _ => Ok(()),
        }
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        self.workspace(job).await.map(drop)
    }

    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        let (old, new) = (self.folder(from), self.folder(spec.job));
        if !new.exists() {
            std::fs::rename(&old, &new).map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => EngineError::NotFound(from),
                _ => EngineError::Io { what: "take over", path: old, source },
            })?;
        }
        let mut sandboxes = self.sandboxes();
        if let Some(gone) = sandboxes.remove(&from) {
            gone.ended.send_replace(Some(SandboxEnd::Stopped));
        }
        let fake = Fake { spec: spec.clone(), ended: watch::Sender::new(None), started: false };
        sandboxes.insert(spec.job, fake);
        Ok(())
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        let path = self.folder(job).join("workspace");
        Workspace::open(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => EngineError::NotFound(job),
            _ => EngineError::Io { what: "open", path, source },
        })
    }

    fn gateway_dir(&self, job: JobId) -> PathBuf {
        self.folder(job).join("gateway")
    }

    fn command_user(&self) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_conformance_suite() {
        crate::conformance::suite(&FakeEngine::idle().unwrap()).await;
    }
}
