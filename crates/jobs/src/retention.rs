//! What is forgotten, and when.

use std::sync::Arc;
use std::time::Duration;

use store::GivenUp;
use types::JobId;

use crate::age::Belief;
use crate::service::{ForgetError, Inner, JobError};

/// How often old jobs are looked for. Retention is counted in days.
const SWEEP: Duration = Duration::from_secs(60);

impl Inner {
    pub(crate) async fn sweep_for_ever(self: Arc<Self>) {
        let mut tick = tokio::time::interval(SWEEP);
        let mut belief = self.belief();
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.ended.notified() => self.hold_quota().await,
                _ = tick.tick() => {
                    belief = Some(self.look_at_clock(belief.as_ref()));
                    if let Some(belief) = &belief {
                        self.sweep(belief).await;
                    }
                    self.hold_quota().await;
                    let orphans = async { self.remove_orphans(self.sandboxes().await).await };
                    // An engine may be slow to answer; what is not done, the next one does.
                    self.stopping.run_until_cancelled(orphans).await;
                }
            }
        }
    }

    /// What an earlier orchestrator knew of the clock.
    fn belief(&self) -> Option<Belief> {
        serde_json::from_slice(&std::fs::read(self.folders.clock()).ok()?).ok()
    }

    fn look_at_clock(&self, before: Option<&Belief>) -> Belief {
        let belief = Belief::look(before, self.config.clock.moment(), self.config.retention);
        if before.is_some_and(|before| before.wait() < belief.wait()) {
            let hours = belief.wait().as_secs().div_ceil(3600);
            let why = "the clock was set, or the machine has just started";
            tracing::warn!("{why}: no job is forgotten for its age for {hours} h");
        }
        if let Err(e) = self.write_belief(&belief) {
            tracing::warn!("could not note the time: {e}");
        }
        belief
    }

    /// Beside it first: on a full disk the earlier one stays.
    fn write_belief(&self, belief: &Belief) -> std::io::Result<()> {
        let path = self.folders.clock();
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, serde_json::to_vec(belief)?)?;
        std::fs::rename(beside, path)
    }

    /// Forgets the jobs whose retention is over.
    async fn sweep(&self, belief: &Belief) {
        let Some(kept) = belief.kept(self.config.retention) else { return };
        match self.store.finished_outside(kept).await {
            Ok(old) => self.forget_all(&old, "its retention was over").await,
            Err(e) => tracing::error!("could not look for old jobs: {e}"),
        }
    }

    /// Forgets the oldest jobs while all together hold more than the operator gives them.
    async fn hold_quota(&self) {
        let quota = self.config.results_bytes;
        if quota == u64::MAX {
            return;
        }
        match self.store.results().await {
            Ok(held) => self.forget_all(&surplus(&held, quota), "the results held too much").await,
            Err(e) => tracing::error!("could not add up the results: {e}"),
        }
    }

    async fn forget_all(&self, jobs: &[JobId], why: &str) {
        for job in jobs {
            match self.erase(*job).await {
                Ok(()) => tracing::info!(%job, "forgot a job; {why}"),
                Err(e) => tracing::error!(%job, "could not forget a job: {e}"),
            }
        }
    }

    /// Removes every trace of a job that is over: files first, so that what a crash leaves
    /// half-done is found again. Not if another one is to go on in its workspace.
    pub(crate) async fn erase(&self, job: JobId) -> Result<(), ForgetError> {
        if let GivenUp::Claimed(by) = self.give_up(job).await.map_err(JobError::from)? {
            return Err(ForgetError::Claimed(by));
        }
        match tokio::fs::remove_dir_all(self.folders.of_job(job)).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        self.drop_inputs(job).await;
        Ok(self.forget_record(job).await.map_err(JobError::from)?)
    }
}

/// The oldest of these, which come first, that have to go so that the others hold no more than the
/// quota. Never the newest: nobody has had the time to fetch it.
fn surplus(held: &[(JobId, u64)], quota: u64) -> Vec<JobId> {
    let mut left: u64 = held.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let oldest = held.split_last().map_or(&[][..], |(_, older)| older);
    let gone = oldest.iter().take_while(|(_, bytes)| {
        let goes = left > quota;
        left = left.saturating_sub(*bytes);
        goes
    });
    gone.map(|(job, _)| *job).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_oldest_go_and_no_more_than_must(
            sizes in prop::collection::vec(0u64..1000, 0..50),
            quota in 0u64..30_000,
        ) {
            let held: Vec<_> = sizes.iter().map(|bytes| (JobId::generate(), *bytes)).collect();
            let gone = surplus(&held, quota);
            let (went, stayed) = held.split_at(gone.len());
            prop_assert!(went.iter().map(|(job, _)| job).eq(&gone), "the oldest, in order");
            let sum = |jobs: &[(JobId, u64)]| jobs.iter().map(|(_, bytes)| bytes).sum::<u64>();
            prop_assert!(sum(stayed) <= quota || stayed.len() == 1, "enough went");
            if !gone.is_empty() {
                prop_assert!(sum(&held[gone.len() - 1..]) > quota, "not one too many");
            }
            prop_assert!(held.is_empty() || !stayed.is_empty(), "the newest stays");
        }
    }
}
