//! How the service ends, and what it still takes until then.
//!
//! ```text
//! Open ──drain──► Draining: no job is accepted or begun ──stop──► Stopping: nothing is waited for
//!   └──────────────────────────────stop───────────────────────────────▲
//! ```
//!
//! Who repeats a request that became a job is told which, whatever the phase: it may be just because
//! of the end that they did not hear it.

use store::{Inserted, RequestKey};
use types::JobId;

use crate::accept::{self, ScheduleError, ScheduleRequest};
use crate::service::{Inner, Jobs};

/// How far the service is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It takes jobs.
    Open,
    /// It begins no job any more; those that run go on to their end.
    Draining,
    /// It lets go of everything; sandboxes go on without it.
    Stopping,
}

impl Phase {
    /// The word for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl Jobs {
    /// How far it is on its way to its end.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.inner.phase()
    }

    /// Accepts and begins no job from now on.
    pub fn drain(&self) {
        self.inner.draining.cancel();
        self.inner.runs.close();
    }

    /// Returns when no job runs any more; to be called after [`Jobs::drain`].
    pub async fn drained(&self) {
        self.inner.runs.wait().await;
    }

    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.runs.len()
    }

    /// Stops admitting jobs and returns once nothing is half-written. Sandboxes stay up: the next
    /// orchestrator on this data directory goes on with them.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    pub(crate) fn phase(&self) -> Phase {
        match (self.stopping.is_cancelled(), self.draining.is_cancelled()) {
            (true, _) => Phase::Stopping,
            (false, true) => Phase::Draining,
            (false, false) => Phase::Open,
        }
    }

    /// Whether a new job can be taken now, and why not.
    pub(crate) fn admit(&self) -> Result<(), ScheduleError> {
        if self.phase() != Phase::Open {
            return Err(ScheduleError::Stopping);
        }
        Ok(self.room.check()?)
    }

    /// The job that a request became when it was made before; `refusal` if it never did.
    pub(crate) async fn repeated(
        &self,
        request: ScheduleRequest,
        refusal: ScheduleError,
    ) -> Result<JobId, ScheduleError> {
        let Some(key) = request.idempotency else { return Err(refusal) };
        let RequestKey { key, fingerprint } = accept::name(key)?;
        match self.store.request(RequestKey { key, fingerprint }).await? {
            Some(Inserted::Before(job)) => Ok(job),
            Some(Inserted::Other(job)) => Err(ScheduleError::KeyReused { job }),
            Some(Inserted::New | Inserted::NotKept(_)) | None => Err(refusal),
        }
    }
}
