//! Finds again what earlier processes made, and goes on with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerSummaryStateEnum as State;
use engine::{EngineError, SandboxState};
use tokio::time::{Instant, timeout};
use types::JobId;

use crate::census::{self, Found};
use crate::engine::Inner;
use crate::link::Link;
use crate::sandbox::Sandbox;
use crate::{container, folder, watch};

/// How long the daemon may take to start a container that somebody else told it to start.
const START: Duration = Duration::from_secs(10);

impl Inner {
    /// A sandbox that exists, found again if an earlier process made it.
    pub(crate) async fn find(&self, job: JobId) -> Result<Arc<Sandbox>, EngineError> {
        if let Some(sandbox) = self.known().get(&job) {
            return Ok(sandbox.clone());
        }
        let folder = self.folder(job);
        if !folder.exists()? {
            return Err(EngineError::NotFound(job));
        }
        let link = self.link().await?;
        let found = census::containers(link, Some(job)).await?;
        let named = folder.this_try()?;
        match found.iter().find(|found| !found.is_filler && named.as_ref() == Some(&found.id)) {
            Some(found) => Ok(self.adopt(link, found).await?.0),
            None if folder.was_started()? => Ok(self.adopt_lost(job)),
            None => Err(EngineError::NotFound(job)),
        }
    }

    pub(crate) async fn list(self: &Arc<Self>) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        let (link, sweeper) = (self.link().await?, self.sweeper());
        let mut all = HashMap::new();
        for found in census::containers(link, None).await? {
            // What cannot be read may name it: one damaged folder costs no container, nor the other jobs.
            let named = self.folder(found.job).this_try().inspect_err(|e| tracing::warn!("{e}"));
            if named.is_ok_and(|named| named.as_ref() != Some(&found.id)) {
                sweeper.notify_one();
            } else if !found.is_filler {
                all.insert(found.job, self.adopt(link, &found).await?.1);
            }
        }
        // Those without a container: somebody took it away, or it was never made.
        for job in folder::all(&self.config.home)? {
            all.entry(job).or_insert_with(|| match self.folder(job).was_started() {
                Ok(false) => SandboxState::Created,
                Ok(true) | Err(_) => SandboxState::Ended,
            });
        }
        Ok(all.into_iter().collect())
    }

    /// Goes on with a container that an earlier process made.
    async fn adopt(
        &self,
        link: &Link,
        found: &Found,
    ) -> Result<(Arc<Sandbox>, SandboxState), EngineError> {
        let job = found.job;
        let number = |name| found.label(name)?.parse::<u64>().ok();
        let wall =
            number(container::WALL).and_then(|wall| u32::try_from(wall).ok()).unwrap_or(u32::MAX);
        let disk = number(container::DISK).unwrap_or(u64::MAX);
        let bridged = found.label(container::BRIDGED) == Some("true");
        let name = link.name(job, &found.id);
        let is_new = found.state() == Some(State::CREATED) && !self.starts(link, found).await?;
        let sandbox = Arc::new(Sandbox::new(job, name, self.folder(job), bridged, wall, disk));
        let kept = self.known().entry(job).or_insert(sandbox.clone()).clone();
        let is_first = Arc::ptr_eq(&kept, &sandbox);
        if is_first {
            kept.folder.sweep();
        }
        if is_first && !is_new && kept.ended().is_none() {
            self.watch(link, &kept);
        }
        let state = match found.state() {
            _ if kept.ended().is_some() => SandboxState::Ended,
            Some(State::EXITED | State::DEAD | State::REMOVING) => SandboxState::Ended,
            _ if is_new => SandboxState::Created,
            _ => SandboxState::Running,
        };
        Ok((kept, state))
    }

    /// Whether the daemon starts it at this moment, as somebody told it who is gone: what runs inside may
    /// have said hello before the daemon says that it runs. Its answer waits for that.
    async fn starts(&self, link: &Link, found: &Found) -> Result<bool, EngineError> {
        if !self.folder(found.job).was_started()? {
            return Ok(false);
        }
        let looked = timeout(START, link.docker.inspect_container(found.container(), None)).await;
        let state = looked.ok().and_then(Result::ok).and_then(|found| found.state);
        Ok(state.is_some_and(|state| state.running == Some(true)))
    }

    /// A folder whose container somebody took away.
    fn adopt_lost(&self, job: JobId) -> Arc<Sandbox> {
        let folder = self.folder(job);
        let bridged = folder.is_bridged();
        let sandbox = Arc::new(Sandbox::new(job, String::new(), folder, bridged, 0, u64::MAX));
        sandbox.vanish();
        self.known().entry(job).or_insert(sandbox).clone()
    }

    pub(crate) fn watch(&self, link: &Link, sandbox: &Arc<Sandbox>) {
        let wall = Duration::from_secs(sandbox.wall_seconds.into());
        let left = wall.saturating_sub(sandbox.folder.since_start());
        let deadline = Instant::now() + left;
        let watching = watch::watch(link.docker.clone(), sandbox.clone(), deadline);
        let closing = self.closing.clone();
        tokio::spawn(async move { closing.run_until_cancelled(watching).await });
    }
}
