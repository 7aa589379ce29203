//! Sandboxes come and go: a folder and what the daemon has of it, made and unmade. What of that a crash
//! cuts off, `census` says how it is found.

use engine::{EngineError, SandboxSpec};
use types::JobId;

use crate::daemon::failed;
use crate::engine::Inner;
use crate::fetch;
use crate::folder::{Folder, io_error};
use crate::link::Link;
use crate::probe::Way;
use crate::sandbox::Sandbox;

impl Inner {
    pub(crate) async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        let link = self.link().await?;
        let folder = self.folder(spec.job);
        if folder.exists()? {
            return Err(EngineError::Exists(spec.job));
        }
        let made = match folder.make((!is_bridged(link)).then_some(protocol::COMMAND_ID)) {
            Ok(()) => self.make(link, folder.clone(), spec).await,
            failed => failed,
        };
        if let Err(e) = &made {
            // What a daemon that does not answer has made of it, or makes later, is swept.
            if !matches!(e, EngineError::Away { .. }) {
                drop(link.remove(spec.job, &folder, is_bridged(link)).await);
            }
            drop(self.blocking(move || folder.remove()).await);
        }
        made
    }

    /// Has a container made for what is in the folder.
    async fn make(
        &self,
        link: &Link,
        folder: Folder,
        spec: &SandboxSpec,
    ) -> Result<(), EngineError> {
        let (job, limits) = (spec.job, &spec.limits);
        let name = link.name(job, &folder.begin_try()?);
        link.create(spec, &name).await?;
        let (wall, disk) = (limits.wall_seconds, limits.disk_bytes);
        let sandbox = Sandbox::new(job, name, folder, is_bridged(link), wall, disk);
        self.known().insert(job, sandbox.into());
        Ok(())
    }

    pub(crate) async fn start(&self, job: JobId) -> Result<(), EngineError> {
        let (sandbox, link) = (self.find(job).await?, self.link().await?);
        if sandbox.bridged {
            fetch::upload(link, &sandbox).await?;
        }
        sandbox.folder.note_start()?;
        let started = link.docker.start_container(&sandbox.name, None).await;
        started.map_err(|e| failed(job, "start its container", &e))?;
        self.watch(link, &sandbox);
        Ok(())
    }

    pub(crate) async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        let known = self.known().get(&job).cloned();
        if let Some(known) = &known {
            // What it still has to write would only be thrown away.
            known.discard();
        }
        let has_volume = known.as_ref().is_none_or(|known| known.bridged);
        let link = match self.link().await {
            // Nothing was made of it by us; what there is all the same, a later sweep finds.
            Err(EngineError::Unavailable { .. } | EngineError::Away { .. })
                if !folder.exists()? =>
            {
                return Ok(());
            }
            link => link?,
        };
        link.remove(job, &folder, has_volume).await?;
        self.forget(job);
        self.blocking(move || folder.remove()).await
    }

    pub(crate) async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        let sandbox = self.find(job).await?;
        let folder = &sandbox.folder;
        let was_started = folder.was_started()?;
        let fetched = sandbox.bridged && was_started;
        let files = if fetched { folder.result() } else { folder.workspace() };
        let runs = was_started && sandbox.ended().is_none();
        if runs || !files.is_dir() {
            return Err(EngineError::NotFound(job));
        }
        let removed = self.link().await?.remove(job, folder, sandbox.bridged).await;
        let closing = folder.clone();
        let closed = self.blocking(move || closing.remove_gateway()).await;
        // What stays is swept.
        if let Err(e) = removed.and(closed) {
            tracing::warn!(%job, "the sandbox of a kept workspace stays for a while: {e}");
        }
        Ok(())
    }

    pub(crate) async fn take_over(
        &self,
        from: JobId,
        spec: &SandboxSpec,
    ) -> Result<(), EngineError> {
        let link = self.link().await?;
        let (job, old, new) = (spec.job, self.folder(from), self.folder(spec.job));
        if !new.exists()? {
            if !old.exists()? {
                return Err(EngineError::NotFound(from));
            }
            if old.result().is_dir() && !is_bridged(link) {
                let message = format!("the files of job {from} were fetched from another daemon");
                return Err(EngineError::Setup { job, message });
            }
            link.remove(from, &old, true).await?;
            self.forget(from);
            old.hand_over(&new)?;
        }
        link.remove(job, &new, true).await?;
        self.forget(job);
        let renewed = new.clone();
        self.blocking(move || renewed.renew()).await?;
        new.note_way(is_bridged(link))?;
        self.make(link, new, spec).await
    }

    /// Whoever still waits for it is told that it is gone.
    fn forget(&self, job: JobId) {
        // Its own statement, so that the lock is not held while somebody is told.
        let known = self.known().remove(&job);
        known.inspect(|known| known.vanish());
    }

    /// Does what may wait for those who still write into a folder.
    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<(), EngineError> + Send + 'static,
    ) -> Result<(), EngineError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| io_error("change a folder in", &self.config.home, e.into()))?
    }
}

fn is_bridged(link: &Link) -> bool {
    matches!(link.way, Way::Bridged { .. })
}
