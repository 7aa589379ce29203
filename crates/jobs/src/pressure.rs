//! A disk that runs short while jobs run: workspaces that wait for somebody to resume their jobs go,
//! then whoever holds most of it is ended, so that the others go on, and what happens to all of them can
//! still be recorded. Results stay: they were promised.
//!
//! Not here: refusing new jobs before it comes to that ([`crate::room`]).

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use types::{Ending, JobId, Reason};

use crate::inner::Inner;
use crate::room;

/// How often to look while there is plenty of room.
const CALM: Duration = Duration::from_secs(1);

/// How often where a fast writer could use up the rest before the next look.
const TENSE: Duration = Duration::from_millis(50);

/// A job that holds less is not the cause, and ending it would not help.
const LEAST_HELD: u64 = 4 * 1024 * 1024;

impl Inner {
    pub(crate) async fn watch_disk_for_ever(self: Arc<Self>) {
        let reserve = self.config.reserve_bytes;
        let mut pause = CALM;
        while self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let free = self.folders.roots().iter().map(|root| room::free(root)).min();
            let free = free.unwrap_or(u64::MAX);
            pause = if free < reserve.saturating_mul(4) { TENSE } else { CALM };
            if is_short(free, reserve) {
                self.stopping.run_until_cancelled(self.make_room(free < reserve / 4)).await;
            }
            self.ballast.hold();
            // There may be room for jobs that wait for some.
            self.pump();
        }
    }

    /// Takes a workspace that nobody works in, or else a job. On a disk that is full already nobody
    /// can note that a workspace goes.
    async fn make_room(&self, urgent: bool) {
        let dropped = tokio::time::timeout(CALM, self.drop_kept()).await;
        if !dropped.unwrap_or_default() {
            self.relieve(urgent).await;
        }
    }

    /// Ends the job that holds most; if it is not urgent, only once the one before it has given its
    /// room back.
    async fn relieve(&self, urgent: bool) {
        let mut held = Vec::new();
        for engine in &self.engines {
            for (job, _) in engine.list().await.unwrap_or_default() {
                let usage = engine.stats(job).await.unwrap_or_default();
                held.extend(usage.disk_bytes.map(|bytes| (job, bytes)));
            }
        }
        let live = self.live();
        // One whose sandbox is gone has given all it had, also if its end cannot be recorded yet.
        let leaving =
            |(job, _): &(JobId, u64)| live.get(job).is_some_and(|live| live.evict.is_cancelled());
        if !urgent && held.iter().any(leaving) {
            return;
        }
        held.retain(|one| !leaving(one));
        if let Some((job, bytes)) = largest(held)
            && let Some(live) = live.get(&job)
        {
            tracing::warn!(%job, bytes, "the disk is nearly full; the job that holds most is ended");
            live.evict.cancel();
        }
    }

    /// Takes a job's sandbox away at once, files and all: to record anything first, or to pack them,
    /// would need the very room that is not there.
    pub(crate) async fn evict(&self, job: JobId, engine: &dyn Engine) -> Ending {
        if let Err(e) = self.remove_sandbox(job, engine).await {
            tracing::error!(%job, "could not remove a sandbox to make room: {e}");
        }
        let text = "the server's disk was nearly full, and of all jobs this one's workspace took \
                    the most; its files are not kept";
        Ending::error(Reason::LimitDisk, text)
    }
}

/// Half of the reserve is for the ends of jobs, the other half for what comes between two looks.
fn is_short(free: u64, reserve: u64) -> bool {
    free < reserve / 2
}

fn largest(held: Vec<(JobId, u64)>) -> Option<(JobId, u64)> {
    held.into_iter().filter(|(_, bytes)| *bytes >= LEAST_HELD).max_by_key(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_holds_most_is_ended_and_a_small_one_never() {
        let [a, b, c] = [JobId::generate(), JobId::generate(), JobId::generate()];
        let held = vec![(a, LEAST_HELD), (b, LEAST_HELD * 3), (c, LEAST_HELD - 1)];
        assert_eq!(largest(held), Some((b, LEAST_HELD * 3)));
        assert_eq!(largest(vec![(c, LEAST_HELD - 1)]), None);
    }

    #[test]
    fn half_the_reserve_is_short() {
        assert!(is_short(99, 200) && !is_short(100, 200) && !is_short(0, 0));
    }
}
