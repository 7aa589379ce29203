use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as Found};
use engine::{Ended, Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState, Workspace};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use types::{JobId, SandboxReport, Usage};

use crate::config::DockerConfig;
use crate::daemon::{Address, failed};
use crate::folder::{self, Folder, io_error};
use crate::link::Link;
use crate::probe::Way;
use crate::sandbox::Sandbox;
use crate::{ENGINE, census, container, fetch, look, usage, watch};

/// Sandboxes as containers.
#[derive(Clone, Debug)]
pub struct DockerEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: DockerConfig,
    owner: String,
    link: OnceCell<Link>,
    known: Mutex<HashMap<JobId, Arc<Sandbox>>>,
    /// Ends the tasks that watch.
    closing: CancellationToken,
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
        let owner = folder::owner(&home)?;
        let closing = CancellationToken::new();
        let _close = closing.clone().drop_guard();
        let config = DockerConfig { home, ..config };
        let (link, known) = (OnceCell::new(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { config, owner, link, known, closing, _close }) })
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
    async fn link(&self) -> Result<&Link, EngineError> {
        self.link.get_or_try_init(|| Link::open(&self.config, &self.owner)).await
    }

    fn folder(&self, job: JobId) -> Folder {
        Folder::of(&self.config.home, job)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Sandbox>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sandbox that exists, found again if an earlier process made it.
    async fn find(&self, job: JobId) -> Result<Arc<Sandbox>, EngineError> {
        if let Some(sandbox) = self.known().get(&job) {
            return Ok(sandbox.clone());
        }
        if !self.folder(job).exists() {
            return Err(EngineError::NotFound(job));
        }
        let link = self.link().await?;
        let found = census::containers(link, Some(job)).await?;
        match found.into_iter().next() {
            Some((_, found)) => Ok(self.adopt(link, job, &found)),
            None if self.folder(job).was_started() => Ok(self.adopt_lost(job)),
            None => Err(EngineError::NotFound(job)),
        }
    }

    /// Goes on with a container that an earlier process made.
    fn adopt(&self, link: &Link, job: JobId, found: &ContainerSummary) -> Arc<Sandbox> {
        let label = |name: &str| found.labels.as_ref()?.get(name).cloned();
        let number = |name| label(name)?.parse::<u64>().ok();
        let wall =
            number(container::WALL).and_then(|wall| u32::try_from(wall).ok()).unwrap_or(u32::MAX);
        let disk = number(container::DISK).unwrap_or(u64::MAX);
        let bridged = label(container::BRIDGED).as_deref() == Some("true");
        let sandbox = Arc::new(Sandbox::new(job, self.folder(job), bridged, wall, disk));
        let kept = self.known().entry(job).or_insert(sandbox.clone()).clone();
        let is_first = Arc::ptr_eq(&kept, &sandbox);
        if is_first {
            kept.folder.sweep();
        }
        if is_first && found.state != Some(Found::CREATED) && kept.ended().is_none() {
            self.watch(link, &kept);
        }
        kept
    }

    /// A folder whose container somebody took away.
    fn adopt_lost(&self, job: JobId) -> Arc<Sandbox> {
        let folder = self.folder(job);
        let bridged = folder.is_bridged();
        let sandbox = Arc::new(Sandbox::new(job, folder, bridged, 0, u64::MAX));
        sandbox.vanish();
        self.known().entry(job).or_insert(sandbox).clone()
    }

    fn watch(&self, link: &Link, sandbox: &Arc<Sandbox>) {
        let wall = Duration::from_secs(sandbox.wall_seconds.into());
        let left = wall.saturating_sub(sandbox.folder.since_start());
        let deadline = Instant::now() + left;
        let (docker, name) = (link.docker.clone(), link.name(sandbox.job));
        let watching = watch::watch(docker, name, sandbox.clone(), deadline);
        let closing = self.closing.clone();
        tokio::spawn(async move { closing.run_until_cancelled(watching).await });
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        let link = self.link().await?;
        let (job, folder) = (spec.job, self.folder(spec.job));
        if folder.exists() {
            return Err(EngineError::Exists(job));
        }
        let bridged = matches!(link.way, Way::Bridged { .. });
        let made = match folder.make((!bridged).then_some(protocol::COMMAND_ID)) {
            Ok(()) => link.create(spec).await,
            failed => failed,
        };
        if let Err(e) = made {
            drop(self.blocking(move || folder.remove()).await);
            return Err(e);
        }
        let limits = &spec.limits;
        let sandbox = Sandbox::new(job, folder, bridged, limits.wall_seconds, limits.disk_bytes);
        self.known().insert(job, Arc::new(sandbox));
        Ok(())
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        let (sandbox, link) = (self.find(job).await?, self.link().await?);
        if sandbox.bridged {
            fetch::upload(link, &sandbox).await?;
        }
        sandbox.folder.note_start()?;
        let started = link.docker.start_container(&link.name(job), None).await;
        started.map_err(|e| failed(job, "start its container", &e))?;
        self.watch(link, &sandbox);
        Ok(())
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        let (sandbox, link) = (self.find(job).await?, self.link().await?);
        if !sandbox.folder.was_started() {
            return Ok(());
        }
        if sandbox.ended().is_none() {
            sandbox.folder.note_intent(SandboxEnd::Stopped)?;
            sandbox.begin_end();
            // Docker answers a question for what was used once a second; nobody waits for that here.
            let name = link.name(job);
            tokio::select! {
                biased;
                // The daemon would answer when it has sent the files of it, after minutes maybe.
                () = sandbox.dead() => {}
                killed = watch::kill(&link.docker, &name) => {
                    killed.map_err(|e| failed(job, "kill its container", &e))?;
                }
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        let link = self.link().await?;
        let mut all = HashMap::new();
        for (job, found) in census::containers(link, None).await? {
            let sandbox = self.adopt(link, job, &found);
            let state = match found.state {
                // The daemon may yet do what it was told by somebody who is gone.
                _ if sandbox.ended().is_some() || sandbox.is_discarded() => SandboxState::Ended,
                Some(Found::CREATED) => SandboxState::Created,
                Some(Found::EXITED | Found::DEAD | Found::REMOVING) => SandboxState::Ended,
                _ => SandboxState::Running,
            };
            all.insert(job, state);
        }
        // Those without a container: somebody took it away, or it was never made.
        for job in folder::all(&self.config.home)? {
            let was_started = self.folder(job).was_started();
            let state = if was_started { SandboxState::Ended } else { SandboxState::Created };
            all.entry(job).or_insert(state);
        }
        Ok(all.into_iter().collect())
    }

    async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        let known = self.known().get(&job).cloned();
        folder.note_going();
        if let Some(known) = &known {
            // What it still has to write would only be thrown away.
            known.discard();
        }
        let has_volume = known.as_ref().is_none_or(|known| known.bridged);
        let link = match self.link().await {
            // Nothing was made of it by us; what there is all the same, a later sweep finds.
            Err(EngineError::Unavailable { .. } | EngineError::Away { .. }) if !folder.exists() => {
                return Ok(());
            }
            link => link?,
        };
        link.remove(job, has_volume).await?;
        self.known().remove(&job);
        known.inspect(|known| known.vanish());
        self.blocking(move || folder.remove()).await
    }

    /// Does what may wait for those who still write into a folder.
    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<(), EngineError> + Send + 'static,
    ) -> Result<(), EngineError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| io_error("change a folder in", &self.config.home, e.into()))?
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        let sandbox = self.find(job).await?;
        let folder = &sandbox.folder;
        let fetched = sandbox.bridged && folder.was_started();
        let files = if fetched { folder.result() } else { folder.workspace() };
        let runs = folder.was_started() && sandbox.ended().is_none();
        if runs || !files.is_dir() {
            return Err(EngineError::NotFound(job));
        }
        // What stays is removed with the workspace.
        if let Err(e) = self.link().await?.remove(job, sandbox.bridged).await {
            tracing::warn!(%job, "a container stays as long as its workspace: {e}");
        }
        Ok(())
    }

    async fn take_over(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        let link = self.link().await?;
        let (job, old, new) = (spec.job, self.folder(from), self.folder(spec.job));
        let bridged = matches!(link.way, Way::Bridged { .. });
        if !new.exists() {
            if !old.exists() {
                return Err(EngineError::NotFound(from));
            }
            if old.result().is_dir() && !bridged {
                let message = format!("the files of job {from} were fetched from another daemon");
                return Err(EngineError::Setup { job, message });
            }
            link.remove(from, true).await?;
            self.known().remove(&from).inspect(|known| known.vanish());
            old.hand_over(&new)?;
        }
        new.note_going();
        link.remove(job, true).await?;
        self.known().remove(&job).inspect(|known| known.vanish());
        let renewed = new.clone();
        self.blocking(move || renewed.renew()).await?;
        new.note_way(bridged)?;
        link.create(spec).await?;
        let limits = &spec.limits;
        let sandbox = Sandbox::new(job, new, bridged, limits.wall_seconds, limits.disk_bytes);
        self.known().insert(job, Arc::new(sandbox));
        Ok(())
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        let sandbox = self.find(job).await?;
        let folder = &sandbox.folder;
        let path = match sandbox.bridged && folder.was_started() {
            false => folder.workspace(),
            true if sandbox.ended().is_some() => folder.result(),
            true => {
                let link = self.link().await?;
                tokio::select! {
                    biased;
                    () = sandbox.ending() => {}
                    found = look::look(&link.docker, link.name(job), &sandbox) => return found,
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
        let sandbox = self.inner.find(job).await?;
        if let Some(ended) = sandbox.ended() {
            return Ok(ended.usage);
        }
        let link = self.inner.link().await?;
        sandbox.note_use(usage::look(&link.docker, &link.name(job)).await);
        Ok(sandbox.used())
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
