use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use engine::{Ended, Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState, Workspace};
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::{CancellationToken, DropGuard};
use types::{JobId, SandboxReport, Usage};

use crate::config::DockerConfig;
use crate::daemon::{Address, failed};
use crate::folder::{self, Folder, io_error};
use crate::link::Link;
use crate::probe::Way;
use crate::sandbox::Sandbox;
use crate::{ENGINE, look, owner, sweep, usage, watch};

/// Sandboxes as containers.
#[derive(Clone, Debug)]
pub struct DockerEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: DockerConfig,
    pub(crate) owner: String,
    link: OnceCell<Link>,
    known: Mutex<HashMap<JobId, Arc<Sandbox>>>,
    /// Tells the task that sweeps that there is something.
    sweeper: OnceLock<Arc<Notify>>,
    /// Ends the tasks that watch, and the one that sweeps.
    pub(crate) closing: CancellationToken,
    _close: DropGuard,
}

impl DockerEngine {
    /// Sets the engine up. The daemon is asked when it is first needed.
    ///
    /// # Errors
    /// When the folder of its sandboxes cannot be made, or the daemon's address makes no sense.
    pub fn open(config: DockerConfig) -> Result<Self, EngineError> {
        Address::parse(config.host.as_deref())?;
        let home = &config.home;
        if !home.is_dir() {
            folder::make_dir(home).map_err(|e| io_error("create", home, e))?;
        }
        let home = home.canonicalize().map_err(|e| io_error("find", home, e))?;
        let owner = owner::owner(&home)?;
        let closing = CancellationToken::new();
        let _close = closing.clone().drop_guard();
        let config = DockerConfig { home, ..config };
        let (link, known, sweeper) = (OnceCell::new(), Mutex::default(), OnceLock::new());
        let inner = Inner { config, owner, link, known, sweeper, closing, _close };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How sandboxes are reached here, for people: by mounted directories, or why not.
    ///
    /// # Errors
    /// When the daemon cannot be used, or not for jobs that name no image.
    pub async fn way(&self) -> Result<String, EngineError> {
        let link = self.inner.link().await?;
        link.check_image().await?;
        Ok(match &link.way {
            Way::Mounted { home } => {
                format!("by directories: the daemon sees ours, in {}", home.display())
            }
            Way::Bridged { why } => format!("by the daemon's API: {why}"),
        })
    }
}

impl Inner {
    pub(crate) async fn link(&self) -> Result<&Link, EngineError> {
        self.link.get_or_try_init(|| Link::open(&self.config, &self.owner)).await
    }

    pub(crate) fn folder(&self, job: JobId) -> Folder {
        Folder::of(&self.config.home, job)
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Sandbox>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begun by whoever first asks what there is.
    pub(crate) fn sweeper(self: &Arc<Self>) -> &Notify {
        self.sweeper.get_or_init(|| sweep::begin(self))
    }

    async fn ready(self: &Arc<Self>) -> Result<(), EngineError> {
        let link = self.link().await?;
        self.sweeper();
        // Who knows of an image answers.
        link.check_image().await
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        let (sandbox, link) = (self.find(job).await?, self.link().await?);
        if !sandbox.folder.was_started()? {
            return Ok(());
        }
        if sandbox.ended().is_none() {
            sandbox.folder.note_intent(SandboxEnd::Stopped)?;
            sandbox.begin_end();
            // Docker answers a question for what was used once a second; nobody waits for that here.
            tokio::select! {
                biased;
                // The daemon would answer when it has sent the files of it, after minutes maybe.
                () = sandbox.dead() => {}
                killed = watch::kill(&link.docker, &sandbox.name) => {
                    killed.map_err(|e| failed(job, "kill its container", &e))?;
                }
            }
        }
        Ok(())
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        let sandbox = self.find(job).await?;
        if let Some(ended) = sandbox.ended() {
            return Ok(ended.usage);
        }
        let link = self.link().await?;
        sandbox.note_use(usage::look(&link.docker, &sandbox.name).await);
        Ok(sandbox.used())
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        let sandbox = self.find(job).await?;
        let folder = &sandbox.folder;
        let path = match sandbox.bridged && folder.was_started()? {
            false => folder.workspace(),
            true if sandbox.ended().is_some() => folder.result(),
            true => {
                let link = self.link().await?;
                tokio::select! {
                    biased;
                    () = sandbox.ending() => {}
                    found = look::look(&link.docker, &sandbox) => return found,
                }
                // They are on their way.
                sandbox.wait().await?;
                folder.result()
            }
        };
        let is_lost = || sandbox.ended().is_some_and(|ended| ended.end == SandboxEnd::Lost);
        if path == folder.result() && !path.is_dir() && is_lost() {
            return Err(EngineError::NotFound(job));
        }
        Workspace::open(&path).map_err(|e| io_error("open", &path, e))
    }
}

#[async_trait]
impl Engine for DockerEngine {
    fn name(&self) -> &'static str {
        ENGINE
    }

    async fn report(&self) -> Result<SandboxReport, EngineError> {
        Ok(self.inner.link().await?.report.clone())
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.inner.ready().await
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.inner.create(spec).await
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        self.inner.start(job).await
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        self.inner.stop(job).await
    }

    async fn wait(&self, job: JobId) -> Result<Ended, EngineError> {
        self.inner.find(job).await?.wait().await
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        self.inner.list().await
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        self.inner.stats(job).await
    }

    async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        self.inner.remove(job).await
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        self.inner.keep(job).await
    }

    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.inner.take_over(from, spec).await
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        self.inner.workspace(job).await
    }

    fn gateway_dir(&self, job: JobId) -> PathBuf {
        self.inner.folder(job).gateway()
    }

    fn command_user(&self) -> Option<u32> {
        Some(protocol::COMMAND_ID)
    }
}
