//! What a job's sandbox uses while it works, as events: often at first, then ever less often, so that a
//! job of a day has about two hundred and one of seconds has some.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use store::{Draft, Durability};
use types::{EventKind, JobId, JobRecord, JobStatus, Usage, UsageSample};

use crate::service::{Inner, Jobs};

/// The least time between two looks.
const LEAST: Duration = Duration::from_secs(1);

/// The part of the time so far that passes until the next one.
const PART: u32 = 20;

impl Jobs {
    /// What the job's sandbox used when somebody looked last; none if it does not run.
    #[must_use]
    pub fn uses(&self, job: JobId) -> Option<UsageSample> {
        self.inner.live().get(&job).and_then(|live| live.uses)
    }
}

impl Inner {
    /// Looks again and again what a job uses.
    pub(crate) async fn sample(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Infallible {
        let (job, clock) = (record.id, &self.config.clock);
        let began = record.started.unwrap_or_else(|| clock.now());
        let longest = Duration::from_secs(record.spec.limits.wall_seconds.into());
        loop {
            let so_far = clock.now().duration_since(began);
            tokio::time::sleep(pause(so_far.try_into().unwrap_or_default(), longest)).await;
            // Who cannot say it now may next time.
            let seen = engine.stats(job).await.ok().and_then(seen);
            if let Some(usage) = seen {
                let this = self.clone();
                // A task of its own: a change is not given up half-way.
                drop(self.tasks.spawn(async move { this.note_usage(job, usage).await }).await);
            }
        }
    }

    async fn note_usage(&self, job: JobId, usage: UsageSample) {
        if let Some(live) = self.live().get_mut(&job) {
            live.uses = Some(usage);
        }
        // It may as well be left out.
        if self.ballast.check(&self.folders.store()).is_err() {
            return;
        }
        let note = move |draft: &mut Draft| {
            if draft.state.status == JobStatus::Running {
                draft.append(draft.now, EventKind::Usage { usage });
            }
        };
        if let Err(e) = self.change(job, Durability::Grouped, note).await {
            tracing::debug!(%job, "what it uses was not recorded: {e}");
        }
    }
}

/// A clock that was set ahead makes no pause longer than those of a job at its end.
fn pause(so_far: Duration, longest: Duration) -> Duration {
    (so_far.min(longest) / PART).max(LEAST)
}

/// None where nothing is known.
fn seen(usage: Usage) -> Option<UsageSample> {
    let Usage { cpu_ms, memory_bytes, disk_bytes, processes, .. } = usage;
    let sample = UsageSample { cpu_millis: cpu_ms, memory_bytes, disk_bytes, processes };
    (sample != UsageSample::default()).then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a job is looked at that works for so long.
    fn looks(whole: Duration) -> u32 {
        let (mut so_far, mut looks) = (Duration::ZERO, 0);
        loop {
            so_far += pause(so_far, whole);
            if so_far > whole {
                return looks;
            }
            looks += 1;
        }
    }

    #[test]
    fn a_long_job_is_looked_at_no_more_than_two_hundred_times() {
        assert_eq!(looks(Duration::from_secs(10)), 10);
        assert!((90..=130).contains(&looks(Duration::from_secs(3600))));
        assert!((150..=200).contains(&looks(Duration::from_secs(86_400))));
        let day = Duration::from_secs(86_400);
        assert_eq!(pause(Duration::MAX, day), day / PART);
    }

    #[test]
    fn what_nobody_knows_is_no_event() {
        assert_eq!(seen(Usage { oom_kills: Some(0), ..Usage::default() }), None);
        let known = seen(Usage { memory_bytes: Some(7), ..Usage::default() }).unwrap();
        assert_eq!((known.memory_bytes, known.cpu_millis), (Some(7), None));
    }
}
