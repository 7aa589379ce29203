//! What is forgotten, and when.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::service::Inner;

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
                    self.sweep(horizon(Timestamp::now(), retention)).await;
                    self.remove_orphans(self.sandboxes().await).await;
                }
            }
        }
    }

    /// Removes every trace of jobs that ended before `horizon`: files first, so that what a crash
    /// leaves half-done is found again.
    pub(crate) async fn sweep(&self, horizon: Timestamp) {
        let old = match self.store.finished_before(horizon).await {
            Ok(old) => old,
            Err(e) => return tracing::error!("could not look for old jobs: {e}"),
        };
        for job in old {
            match tokio::fs::remove_dir_all(self.folders.of_job(job)).await {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    tracing::error!(%job, "could not remove an old result: {e}");
                    continue;
                }
                _ => {}
            }
            match self.store.delete(job).await {
                Ok(()) => tracing::info!(%job, "forgot a job; its retention was over"),
                Err(e) => tracing::error!(%job, "could not forget an old job: {e}"),
            }
        }
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
