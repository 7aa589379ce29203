//! What is forgotten, and when.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use types::JobId;

use crate::service::{ForgetError, Inner, JobError};

/// How often old jobs are looked for. Retention is counted in days.
const SWEEP: Duration = Duration::from_secs(60);

/// Jobs that ended before this time are forgotten.
fn horizon(now: Timestamp, retention: Duration) -> Timestamp {
    let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
    now.checked_sub(retention).unwrap_or(Timestamp::MIN)
}

impl Inner {
    pub(crate) async fn sweep_for_ever(self: Arc<Self>, retention: Duration) {
        let mut tick = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = tick.tick() => {
                    let now = Timestamp::now();
                    if let Err(e) = self.store.none_ended_after(now).await {
                        tracing::error!("could not look for jobs of the future: {e}");
                    }
                    self.sweep(horizon(now, retention)).await;
                    let orphans = async { self.remove_orphans(self.sandboxes().await).await };
                    // An engine may be slow to answer; what is not done, the next one does.
                    self.stopping.run_until_cancelled(orphans).await;
                }
            }
        }
    }

    /// Forgets the jobs that ended before `horizon`.
    pub(crate) async fn sweep(&self, horizon: Timestamp) {
        let old = match self.store.finished_before(horizon).await {
            Ok(old) => old,
            Err(e) => return tracing::error!("could not look for old jobs: {e}"),
        };
        for job in old {
            match self.erase(job).await {
                Ok(()) => tracing::info!(%job, "forgot a job; its retention was over"),
                Err(e) => tracing::error!(%job, "could not forget an old job: {e}"),
            }
        }
    }

    /// Removes every trace of a job that is over: files first, so that what a crash leaves
    /// half-done is found again.
    pub(crate) async fn erase(&self, job: JobId) -> Result<(), ForgetError> {
        match tokio::fs::remove_dir_all(self.folders.of_job(job)).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        self.drop_inputs(job).await;
        Ok(self.forget_record(job).await.map_err(JobError::from)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_younger_than_its_retention_is_forgotten(
            now in 0i64..4_000_000_000,
            age in 0i64..100_000_000,
            retention in 0u64..100_000_000,
        ) {
            let now = Timestamp::from_second(now).unwrap();
            let ended = now - SignedDuration::from_secs(age);
            let forgotten = ended < horizon(now, Duration::from_secs(retention));
            prop_assert_eq!(forgotten, age as u64 > retention);
        }
    }

    #[test]
    fn a_retention_beyond_time_forgets_nothing() {
        assert_eq!(horizon(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MIN);
    }
}
