//! What an earlier orchestrator left: jobs go on where they were, and what no job owns goes away.

use std::collections::HashMap;
use std::sync::Arc;

use engine::{EngineError, SandboxState};
use store::StoreError;
use types::{JobId, JobStatus};

use crate::folders::OpenError;
use crate::service::Inner;
use crate::slot::Turn;
use crate::staging::Inputs;
use crate::{converse, dial};

/// The sandboxes there are.
#[derive(Default)]
pub(crate) struct Sandboxes {
    /// By their jobs, each with its engine and state.
    found: HashMap<JobId, (&'static str, SandboxState)>,
    /// Engines that did not tell theirs, so that nobody knows them.
    away: Vec<&'static str>,
}

impl Inner {
    /// Compares the store with the engines. Jobs that had begun keep their slots, also if there are
    /// more of them than slots now; those that had not wait in their old order.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<(), OpenError> {
        let mut sandboxes = self.sandboxes().await;
        for job in self.store.unfinished().await? {
            let said = self.store.from_people(job.id, 0).await?;
            if dial::is_desktop_taken(&said) {
                self.free_desktop(job.id).await;
            }
            let inputs = Inputs::found(&self.folders.inputs(job.id));
            self.enliven(job.id, inputs, converse::told(said));
            let found = sandboxes.found.remove(&job.id);
            if job.status == JobStatus::Scheduled {
                self.queue().push(job.id);
            } else {
                tracing::info!(job = %job.id, "goes on with a job that was {}", job.status);
                let record = self.store.job(job.id).await?;
                if record.cancel_requested
                    && let Some(live) = self.live().get(&job.id)
                {
                    live.cancel.cancel();
                }
                self.queue().adopt(job.id);
                let is_away = sandboxes.away.contains(&&*record.spec.engine);
                let found = found.map(|(_, state)| state);
                let turn = if is_away { Turn::Unsure } else { Turn::Again(found) };
                self.spawn(job.id, turn);
            }
        }
        self.remove_orphans(sandboxes).await;
        self.remove_stale_inputs();
        self.pump();
        Ok(())
    }

    /// Removes those of these sandboxes that no living job owns: what a crash left, and what could
    /// not be removed when its job ended.
    pub(crate) async fn remove_orphans(&self, sandboxes: Sandboxes) {
        for (job, (engine, _)) in sandboxes.found {
            if self.is_owned(job).await {
                continue;
            }
            tracing::info!(%job, "removes a sandbox that no job owns");
            if let Some(engine) = self.engine(engine)
                && let Err(e) = engine.remove(job).await
            {
                tracing::error!(%job, "could not remove it: {e}");
            }
        }
    }

    /// Whether a job goes on in its sandbox, or somebody may go on with it.
    async fn is_owned(&self, job: JobId) -> bool {
        // In this order: a job that ends is kept before it is not live any more.
        self.live().contains_key(&job)
            || match self.store.job(job).await {
                Ok(record) => record.kept,
                Err(e) => !matches!(e, StoreError::NotFound(_)),
            }
    }

    /// Removes input files whose request or job is gone.
    fn remove_stale_inputs(&self) {
        drop(std::fs::remove_dir_all(self.folders.staging()));
        let folders = std::fs::read_dir(self.folders.all_inputs()).into_iter().flatten().flatten();
        for folder in folders {
            let job = folder.file_name().to_str().and_then(|name| name.parse::<JobId>().ok());
            if !job.is_some_and(|job| self.live().contains_key(&job)) {
                drop(std::fs::remove_dir_all(folder.path()));
            }
        }
    }

    /// Every sandbox of every engine.
    pub(crate) async fn sandboxes(&self) -> Sandboxes {
        let mut all = Sandboxes::default();
        for engine in &self.engines {
            match engine.list().await {
                Ok(list) => {
                    all.found
                        .extend(list.into_iter().map(|(job, state)| (job, (engine.name(), state))));
                }
                Err(e) => {
                    all.away.push(engine.name());
                    match e {
                        // Who started us was told, and every job of it will say so.
                        EngineError::Away { .. } | EngineError::Unavailable { .. } => {
                            tracing::debug!("no sandboxes: {e}");
                        }
                        e => tracing::warn!("could not list the {} sandboxes: {e}", engine.name()),
                    }
                }
            }
        }
        all
    }
}
