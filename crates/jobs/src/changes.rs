//! The bell of the list of jobs: which lines of it are new, changed or gone, for as many as watch it.
//!
//! It rings with ids only. Who hears it reads the lines, all that have changed at once, and rests a
//! moment: however much happens, and however slow they are, that costs them and us the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::time::{Instant, sleep_until};
use types::{JobId, JobSummary};

use crate::service::{Inner, JobError, Jobs};

/// Changes that who watches may be behind; after more the whole list is read sooner.
const BEHIND: usize = 1024;

/// The least time between two looks.
const REST: Duration = Duration::from_millis(100);

/// What has changed of the list.
#[derive(Clone, Debug, PartialEq)]
pub enum ListChange {
    /// This line is new, or is now like this.
    Job(Box<JobSummary>),
    /// This job was forgotten.
    Gone(JobId),
    /// Too much: read the list again.
    Reload,
}

/// Hears of changes of the list.
#[derive(Debug)]
pub struct Watcher {
    inner: Arc<Inner>,
    rung: Rung,
    rests: Instant,
}

impl Jobs {
    /// Hears of what changes in the list from now on.
    #[must_use]
    pub fn watch_list(&self) -> Watcher {
        let inner = self.inner.clone();
        let rung = inner.changes.listen();
        Watcher { inner, rung, rests: Instant::now() }
    }
}

impl Watcher {
    /// What has changed since the last time; waits until something has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Vec<ListChange>, JobError> {
        sleep_until(self.rests).await;
        let Some(jobs) = self.rung.next().await else { return Ok(vec![ListChange::Reload]) };
        let lines = self.inner.store.summaries(jobs.iter().copied().collect()).await?;
        self.rests = Instant::now() + REST;
        let there: BTreeSet<_> = lines.iter().map(|line| line.id).collect();
        let gone = jobs.difference(&there).copied().map(ListChange::Gone);
        Ok(gone.chain(lines.into_iter().map(|line| ListChange::Job(Box::new(line)))).collect())
    }
}

/// Whom the bell has rung for, and nobody has looked yet.
#[derive(Debug)]
struct Rung(broadcast::Receiver<JobId>);

impl Rung {
    /// The jobs, at least one; none if there were too many, which are forgotten.
    async fn next(&mut self) -> Option<BTreeSet<JobId>> {
        // The bell is there as long as its jobs: nobody closes it.
        let Ok(first) = self.0.recv().await else { return self.forget() };
        let mut jobs = BTreeSet::from([first]);
        loop {
            match self.0.try_recv() {
                Ok(job) => drop(jobs.insert(job)),
                Err(TryRecvError::Lagged(_)) => return self.forget(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(jobs),
            }
        }
    }

    fn forget<T>(&mut self) -> Option<T> {
        self.0 = self.0.resubscribe();
        None
    }
}

/// The bell.
#[derive(Debug)]
pub(crate) struct Changes(broadcast::Sender<JobId>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    /// After the change can be read.
    pub(crate) fn ring(&self, job: JobId) {
        // Nobody may be there to hear it.
        drop(self.0.send(job));
    }

    fn listen(&self) -> Rung {
        Rung(self.0.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_changes_often_is_looked_at_once() {
        let changes = Changes::default();
        let mut rung = changes.listen();
        let [a, b] = [JobId::generate(), JobId::generate()];
        for job in [a, b, a, a] {
            changes.ring(job);
        }
        assert_eq!(rung.next().await, Some(BTreeSet::from([a, b])));
        changes.ring(b);
        assert_eq!(rung.next().await, Some(BTreeSet::from([b])));
    }

    #[tokio::test]
    async fn who_is_too_far_behind_begins_anew() {
        let changes = Changes::default();
        let mut rung = changes.listen();
        for _ in 0..=BEHIND {
            changes.ring(JobId::generate());
        }
        assert_eq!(rung.next().await, None);
        let job = JobId::generate();
        changes.ring(job);
        assert_eq!(rung.next().await, Some(BTreeSet::from([job])));
    }
}
