//! From the end of a job's work to the end of the job.

use artifacts::Packed;
use engine::{Ended, Engine, EngineError};
use store::{Draft, Durability};
use types::{Ending, EventKind, JobId, JobRecord, StepOutcome};

use crate::lease::Use;
use crate::lifecycle::Input;
use crate::service::Inner;
use crate::{ask, outcome, resume};

impl Inner {
    /// Records that a job's work is over, how, and what it had used.
    pub(crate) async fn over(&self, job: JobId, ending: Ending, ended: Option<Ended>) {
        let ending = outcome::refine(ending, ended);
        let note = move |draft: &mut Draft| note_end(draft, ended);
        self.settle(job, Durability::Grouped, Input::Over(ending), note).await;
    }

    /// Packs a job whose work is over, removes its sandbox and ends it.
    pub(crate) async fn conclude(&self, job: JobId) {
        let Some(record) = self.look(job).await else { return };
        let engine = self.engine(&record.spec.engine);
        if let Some(inputs) = self.inputs(job) {
            inputs.end();
        }
        self.drop_inputs(job).await;
        // Before it is packed: what was told to be there must be in the ZIP.
        self.end_leases(job, Use::Writing).await;
        if record.zip_bytes.is_none() {
            let Some(packed) = self.pack(&record, engine.as_deref()).await else { return };
            let input = match packed {
                Ok(Packed { files, zip_bytes, left_out }) => {
                    Input::Packed { files, bytes: zip_bytes, left_out }
                }
                Err(e) => Input::PackFailed(e),
            };
            // On the disk before the workspace goes.
            if !self.happen(job, Durability::Full, input).await {
                return;
            }
        }
        let last = match engine {
            Some(engine) => self.part(&record, engine.as_ref()).await,
            None => Input::Removed,
        };
        if self.happen(job, Durability::Full, last).await {
            self.tell_end(job).await;
        }
    }

    /// Takes leave of a job's sandbox; of all but its workspace, if somebody may want to go on with it.
    async fn part(&self, record: &JobRecord, engine: &dyn Engine) -> Input {
        let job = record.id;
        if resume::may_be_resumed(record) {
            self.end_all_leases(job).await;
            if record.sandbox.is_some() {
                // It may still run if its engine said nothing sensible of it for long.
                self.end_sandbox(job, engine).await;
            }
            match engine.keep(job).await {
                Ok(()) => return Input::Kept,
                Err(e) => tracing::warn!(%job, "there is no workspace to go on with: {e}"),
            }
        }
        if let Err(e) = self.remove_sandbox(job, engine).await {
            // It is an orphan then; the sweeper tries again.
            tracing::error!(%job, "could not remove a sandbox: {e}");
        }
        Input::Removed
    }

    /// Takes a sandbox away, and before it what clients hold open in its workspace: that would keep
    /// its files on the disk.
    pub(crate) async fn remove_sandbox(
        &self,
        job: JobId,
        engine: &dyn Engine,
    ) -> Result<(), EngineError> {
        self.end_all_leases(job).await;
        engine.remove(job).await
    }

    async fn end_all_leases(&self, job: JobId) {
        self.end_leases(job, Use::Writing).await;
        self.end_leases(job, Use::Reading).await;
    }

    async fn tell_end(&self, job: JobId) {
        if let Ok(JobRecord { status, ending: Some(ending), .. }) = self.store.job(job).await {
            tracing::info!(%job, %status, reason = %ending.reason, "ended");
        }
    }
}

/// What is noted of a job whose work is over: a step whose end nobody reported, what was used.
pub(crate) fn note_end(draft: &mut Draft, ended: Option<Ended>) {
    let now = draft.now;
    ask::forfeit(draft);
    if let Some(step) = draft.state.session.open_step.take() {
        let outcome = StepOutcome::Interrupted;
        let event = EventKind::StepFinished { step, outcome, exit_code: None, millis: 0 };
        draft.append(now, event);
    }
    draft.state.usage = outcome::used(ended, &draft.state.session);
    if let Some(remark) = draft.state.usage.as_ref().and_then(outcome::remark) {
        draft.append(now, remark);
    }
}
