//! What no folder names goes: somebody who is gone told the daemon to make it, or was about to tell it to
//! remove it. One task of the engine's own sees to that, so it ends with nobody who asked for something
//! else.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::EngineError;
use tokio::sync::Notify;
use tokio::time::timeout;
use types::JobId;

use crate::engine::Inner;
use crate::{census, owner};

/// How often it looks though nobody has seen anything: volumes are seen by nobody else.
const PAUSE: Duration = Duration::from_secs(30);

/// Sweeps at once, whenever it is told to, and every half minute, as long as the engine is there.
pub(crate) fn begin(inner: &Arc<Inner>) -> Arc<Notify> {
    let told = Arc::new(Notify::new());
    let sweeping = sweep_for_ever(Arc::downgrade(inner), told.clone());
    let closing = inner.closing.clone();
    tokio::spawn(async move { closing.run_until_cancelled(sweeping).await });
    told
}

async fn sweep_for_ever(inner: Weak<Inner>, told: Arc<Notify>) {
    while let Some(inner) = inner.upgrade() {
        match inner.sweep().await {
            // Everybody who wants something of the daemon says so.
            Err(e @ (EngineError::Away { .. } | EngineError::Unavailable { .. })) => {
                tracing::debug!("nothing is swept: {e}");
            }
            swept => warn_unless(swept),
        }
        drop(inner);
        // It does not matter which of the two it was.
        drop(timeout(PAUSE, told.notified()).await);
    }
}

impl Inner {
    async fn sweep(&self) -> Result<(), EngineError> {
        let link = self.link().await?;
        for found in census::containers(link, None).await? {
            if self.is_left(found.job, &found.id)? {
                warn_unless(link.remove_found(&found).await);
            }
        }
        for (job, id) in census::volumes(link).await? {
            if self.is_left(job, &id)? {
                warn_unless(link.remove_volume(job, &id).await);
            }
        }
        Ok(())
    }

    /// Whether nobody has what this try made any more, nor is about to remove it.
    fn is_left(&self, job: JobId, id: &str) -> Result<bool, EngineError> {
        // Where the folders themselves are away, before that look or after it, nobody knows what they name.
        let are_there = || owner::check(&self.config.home, &self.owner);
        are_there()?;
        let named = self.folder(job).this_try();
        are_there()?;
        let Ok(named) = named.inspect_err(|e| tracing::warn!("what may be left stays: {e}")) else {
            return Ok(false);
        };
        let known = self.known().get(&job).cloned();
        let is_ours_to_remove = known.is_none_or(|known| !known.is_discarded());
        Ok(named.as_deref() != Some(id) && is_ours_to_remove)
    }
}

fn warn_unless(swept: Result<(), EngineError>) {
    if let Err(e) = swept {
        tracing::warn!("what a crash left stays until the next look: {e}");
    }
}
