//! Ways into a job's sandbox, and who has its desktop.

use gateway::Inward;
use protocol::Target;
use store::{Draft, Durability, StoreError};
use types::{EventKind, JobId, JobStatus};

use crate::converse::TalkError;
use crate::service::{Inner, JobError, Jobs};

/// Why there is no connection into a job's sandbox.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There is no such job, or it could not be looked at.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It has no sandbox that could be connected to: not yet, or not any more.
    #[error("the job is {0}; only a running one can be connected to")]
    NotRunning(JobStatus),
    /// The sandbox said no; its words are hostile.
    #[error("{0}")]
    Refused(String),
    /// The sandbox did not answer.
    #[error(transparent)]
    Silent(gateway::DialError),
}

impl Jobs {
    /// Opens a connection into a running job's sandbox. What is behind the target is started if it
    /// is one of ours.
    ///
    /// # Errors
    /// [`DialError`]
    pub async fn dial(&self, job: JobId, to: Target) -> Result<Inward, DialError> {
        let dialer = self.inner.live().get(&job).and_then(|live| live.dialer.clone());
        let Some(dialer) = dialer else {
            return Err(DialError::NotRunning(self.get(job).await?.status));
        };
        Ok(dialer.dial(to).await?)
    }

    /// A person takes the control of a job's desktop, or gives it back; the `seq` of its event.
    ///
    /// # Errors
    /// When the job is over, or cannot be looked at.
    pub async fn take_desktop(&self, job: JobId, taken: bool) -> Result<u64, TalkError> {
        self.talk(job, 0, move |draft| {
            desktop(draft, taken);
            Ok(())
        })
        .await
    }
}

impl Inner {
    /// Gives the desktop back for whoever had it: they held it by an orchestrator that is gone.
    pub(crate) async fn free_desktop(&self, job: JobId) {
        if let Err(e) = self.try_free_desktop(job).await {
            tracing::error!(%job, "could not give the desktop back to the agent: {e}");
        }
    }

    async fn try_free_desktop(&self, job: JobId) -> Result<(), StoreError> {
        let said = self.store.from_people(job, 0).await?;
        let last = said.into_iter().rev().find_map(|event| match event.event {
            EventKind::Desktop { taken } => Some(taken),
            _ => None,
        });
        if last != Some(true) {
            return Ok(());
        }
        self.change(job, Durability::Full, |draft| desktop(draft, false)).await
    }
}

fn desktop(draft: &mut Draft, taken: bool) {
    draft.append(draft.now, EventKind::Desktop { taken });
}

impl From<gateway::DialError> for DialError {
    fn from(error: gateway::DialError) -> Self {
        match error {
            gateway::DialError::Refused(why) => Self::Refused(why),
            silent => Self::Silent(silent),
        }
    }
}

impl From<StoreError> for DialError {
    fn from(error: StoreError) -> Self {
        Self::Job(error.into())
    }
}
