//! A job that goes on after one that broke off: a new job on the old one's workspace, from its last
//! checkpoint, because somebody asks for it.
//!
//! An ended job never changes its end. What it leaves to be resumed is its workspace (`JobState::kept`)
//! and its checkpoint; one job can have them, which the store decides.

use std::sync::Arc;

use store::{Draft, Durability, GivenUp, StoreError};
use types::{
    Ending, EventKind, JobId, JobRecord, JobSpec, JobStatus, LastStep, Mode, NoticeLevel, Reason,
    Resumes, StepOutcome,
};

use crate::accept::{Accepted, ScheduleError};
use crate::service::{Inner, JobError, Jobs};

/// Why a job cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It could not be looked at, or there is none.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It still works.
    #[error("the job is {0}: it goes on by itself")]
    NotOver(JobStatus),
    /// It did not break off.
    #[error("the job ended as {0}: only one whose sandbox was lost or interrupted can be resumed")]
    Ended(String),
    /// It broke off, and there is nothing to go on with.
    #[error("the workspace of the job is gone: it was lost with its sandbox, or given up for room")]
    Gone,
    /// A job that goes on after it cannot be taken now.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Whether somebody may want to go on with a job: it lost its sandbox, and it is nobody's decision and
/// no limit that ended it; or it was to go on after such a one and never came to it.
pub(crate) fn may_be_resumed(job: &JobRecord) -> bool {
    let was_connected = job.sandbox.is_some();
    let lost = |ending: &Ending| matches!(ending.reason, Reason::Interrupted | Reason::SandboxLost);
    match was_connected {
        true => job.ending.as_ref().is_some_and(lost),
        false => job.spec.resumes.is_some(),
    }
}

/// What people are told of where a job begins that goes on after another one.
pub(crate) fn told(Resumes { job, step }: Resumes, mode: Mode) -> EventKind {
    let from = match step {
        None => "before its first step".into(),
        Some(LastStep { step, outcome: StepOutcome::Interrupted, .. }) if mode == Mode::Agent => {
            format!("at step {step}, which was interrupted: the agent is told so")
        }
        Some(LastStep { step, outcome: StepOutcome::Interrupted, .. }) => {
            format!("at step {step}, which was interrupted and runs again")
        }
        Some(LastStep { step, .. }) => format!("after step {step}"),
    };
    let text = format!("goes on after job {job}, {from}");
    EventKind::Notice { level: NoticeLevel::Info, text }
}

impl Jobs {
    /// Makes a job that goes on after one that broke off. The same one for everybody who asks.
    ///
    /// # Errors
    /// Says why it cannot be; nothing was kept then.
    pub async fn resume(&self, job: JobId) -> Result<JobId, ResumeError> {
        let record = self.get(job).await?;
        self.inner.admit()?;
        let this = self.inner.clone();
        // As with `schedule`: what was recorded must also be done.
        let resumed = self.inner.tasks.spawn(async move { this.resume(record).await });
        resumed.await.map_err(|_| ScheduleError::Stopping)?
    }

    /// The job that goes on after this one, if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resumed_by(&self, job: JobId) -> Result<Option<JobId>, JobError> {
        Ok(self.inner.store.resumed_by(job).await?)
    }
}

impl Inner {
    async fn resume(self: &Arc<Self>, record: JobRecord) -> Result<JobId, ResumeError> {
        let step = self.store.last_step(record.id).await.map_err(JobError::from)?;
        let before = record.spec.resumes.and_then(|resumes| resumes.step);
        let step = step.or(before);
        let resumes = Some(Resumes { job: record.id, step });
        let spec = JobSpec { resumes, ..record.spec.clone() };
        match self.keep(Accepted { spec, key: None, inputs: None }).await {
            Err(ScheduleError::NotKept) => Err(why_not(&record)),
            kept => Ok(kept?),
        }
    }

    /// Removes the workspace that waits longest for somebody who resumes its job, if nobody did so
    /// meanwhile. False if none waits.
    pub(crate) async fn drop_kept(&self) -> bool {
        let dropped = async {
            match self.store.oldest_kept().await? {
                Some(job) => self.give_up(job).await.map(|_| true),
                None => Ok(false),
            }
        };
        dropped.await.unwrap_or_else(|e: StoreError| {
            tracing::error!("could not give up a kept workspace: {e}");
            false
        })
    }

    /// Removes the workspace of an ended job, unless another one is to go on in it.
    pub(crate) async fn give_up(&self, job: JobId) -> Result<GivenUp, StoreError> {
        let record = self.store.job(job).await?;
        // On a full disk nothing is written for one that has none.
        if !record.kept {
            return Ok(GivenUp::NotKept);
        }
        // First: what is left after a crash is an orphan then.
        let given_up = self.soon(job, || self.store.give_up(job)).await?;
        if given_up == GivenUp::Yes
            && let Some(engine) = self.engine(&record.spec.engine)
        {
            tracing::info!(%job, "removes the workspace of a job that nobody resumed");
            if let Err(e) = engine.remove(job).await {
                tracing::error!(%job, "could not remove it, it is tried again: {e}");
            }
        }
        Ok(given_up)
    }

    /// Notes that the workspace of an ended job is another one's.
    pub(crate) async fn unkeep(&self, job: JobId) {
        let change = |draft: &mut Draft| draft.state.retire(false);
        self.insist(job, Durability::Full, change).await;
    }
}

fn why_not(record: &JobRecord) -> ResumeError {
    if !record.status.is_final() {
        return ResumeError::NotOver(record.status);
    }
    if may_be_resumed(record) {
        return ResumeError::Gone;
    }
    let error = record.ending.as_ref().and_then(|ending| ending.error.clone());
    let why = error.map(|error| format!(": {error}")).unwrap_or_default();
    ResumeError::Ended(format!("{}{why}", record.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_broke_off_can_be_resumed() {
        let of = |ending: Ending| may_be_resumed(&job(true, false, ending));
        let failed = |reason| Ending::error(reason, "");
        assert!(of(failed(Reason::Interrupted)) && of(failed(Reason::SandboxLost)));
        for reason in [Reason::StepFailed, Reason::LimitWall, Reason::LimitDisk] {
            assert!(!of(failed(reason)), "{reason:?}");
        }
        assert!(!of(Ending::complete()) && !of(Ending::cancelled()));
        assert!(!may_be_resumed(&job(false, false, failed(Reason::SandboxLost))));
    }

    #[test]
    fn who_took_a_workspace_and_never_began_hands_it_on() {
        assert!(may_be_resumed(&job(false, true, Ending::cancelled())));
        assert!(!may_be_resumed(&job(true, true, Ending::cancelled())));
    }

    fn job(was_connected: bool, resumes: bool, ending: Ending) -> JobRecord {
        let id = JobId::generate();
        let isolation = types::Isolation::None;
        let sandbox = types::SandboxReport { engine: "fake".into(), isolation, shortfalls: vec![] };
        JobRecord {
            id,
            spec: JobSpec {
                title: String::new(),
                prompt: String::new(),
                mode: Mode::Runbook,
                engine: "fake".into(),
                image: None,
                desktop: false,
                limits: types::Limits::default(),
                network: types::Network::None,
                environment: std::collections::BTreeMap::new(),
                include_caches: false,
                model: None,
                approve: false,
                resumes: resumes.then_some(Resumes { job: id, step: None }),
            },
            status: ending.status,
            created: jiff::Timestamp::UNIX_EPOCH,
            started: None,
            completed: None,
            ending: Some(ending),
            cancel_requested: false,
            sandbox: was_connected.then_some(sandbox),
            usage: None,
            result: None,
            waiting: None,
            zip_bytes: None,
            last_seq: 0,
            kept: false,
        }
    }

    #[test]
    fn people_are_told_which_step_runs_again() {
        let job = JobId::generate();
        let said = |step, mode| match told(Resumes { job, step }, mode) {
            EventKind::Notice { text, .. } => text,
            other => panic!("{other:?}"),
        };
        let last = |outcome| Some(LastStep { step: 3, outcome, exit_code: None });
        let broken = last(StepOutcome::Interrupted);
        assert!(said(broken, Mode::Runbook).ends_with("interrupted and runs again"));
        assert!(said(broken, Mode::Agent).ends_with("the agent is told so"));
        assert!(said(last(StepOutcome::Ok), Mode::Runbook).ends_with("after step 3"));
        assert!(said(None, Mode::Runbook).contains(&job.to_string()));
    }
}
