//! The one way to change a job, and what is done while the store fails: a full disk, say.

use std::time::Duration;

use store::{Draft, Durability, StoreError};
use tokio::sync::watch;
use types::{JobId, JobRecord};

use crate::inner::Inner;
use crate::lifecycle::{self, Input};

/// Pauses between tries of a store that fails: from one that nobody notices to one that costs
/// nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

impl Inner {
    /// The one way to change a job: in the store, then told to its followers. Nobody gives it up in
    /// between: they would hear of it with the next event only.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let clock = self.config.clock.clone();
        let with_move = move |draft: &mut Draft| {
            draft.now = clock.now();
            let was_ended = draft.state.status.is_final();
            let (before, waited) = (draft.state.status, draft.state.waiting.clone());
            let answer = change(draft);
            debug_assert!(!was_ended || draft.events().is_empty(), "`ended` is a job's last event");
            let moved = (draft.state.status != before).then(|| draft.state.clone());
            let is_listed = moved.is_some() || draft.state.waiting != waited;
            let newest = draft.state.last_seq + draft.events().len() as u64;
            (answer, draft.state.status.is_final(), moved, is_listed, newest)
        };
        let changed = self.store.update(job, durability, with_move).await;
        let (answer, ended, moved, is_listed, newest) = changed?;
        if let Some(moved) = moved {
            self.metrics.moved(&moved, self.config.clock.now());
        }
        if is_listed {
            self.changes.ring(job);
        }
        let mut live = self.live();
        if ended {
            // Dropping the bell ends the followers' wait.
            live.remove(&job);
            self.ended.notify_one();
        } else if let Some(live) = live.get(&job) {
            ring(&live.news, newest);
        }
        Ok(answer)
    }

    /// Applies what happened to a job, however often the store fails (a full disk, say) before it
    /// takes it. False if it is impossible for the job as it is, or the orchestrator stops first:
    /// then the next one finds the job as it was.
    pub(crate) async fn happen(&self, job: JobId, durability: Durability, input: Input) -> bool {
        self.settle(job, durability, input, |_| ()).await
    }

    /// The same, with something to be noted first.
    pub(crate) async fn settle(
        &self,
        job: JobId,
        durability: Durability,
        input: Input,
        note: impl Fn(&mut Draft) + Clone + Send + 'static,
    ) -> bool {
        let change = move |draft: &mut Draft| {
            note(draft);
            lifecycle::apply_to(draft, input.clone())
        };
        match self.insist(job, durability, change).await {
            Some(Ok(())) => true,
            Some(Err(impossible)) => {
                tracing::debug!(%job, "{impossible}");
                false
            }
            None => false,
        }
    }

    /// Changes a job, however often the store fails before it takes the change; none if the job is
    /// forgotten or the orchestrator stops first.
    pub(crate) async fn insist<R: Send + 'static>(
        &self,
        job: JobId,
        durability: Durability,
        change: impl FnOnce(&mut Draft) -> R + Clone + Send + 'static,
    ) -> Option<R> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.change(job, durability, change.clone()).await {
                Ok(answer) => return Some(answer),
                Err(e) if !self.may_try_again(job, &e, &mut pause).await => return None,
                Err(_) => {}
            }
        }
    }

    /// Forgets a job whose files are gone.
    pub(crate) async fn forget_record(&self, job: JobId) -> Result<(), StoreError> {
        self.soon(job, || self.store.delete(job)).await?;
        self.changes.ring(job);
        Ok(())
    }

    /// Does what somebody waits for, though the store fails for some seconds.
    pub(crate) async fn soon<R, F: Future<Output = Result<R, StoreError>>>(
        &self,
        job: JobId,
        work: impl Fn() -> F,
    ) -> Result<R, StoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match work().await {
                Err(e) if pause < LAST_PAUSE && self.may_try_again(job, &e, &mut pause).await => {}
                done => return done,
            }
        }
    }

    /// A job as it is now; `None` if it is forgotten, or the orchestrator stops while the store
    /// fails.
    pub(crate) async fn look(&self, job: JobId) -> Option<JobRecord> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.job(job).await {
                Ok(record) => return Some(record),
                Err(e) if !self.may_try_again(job, &e, &mut pause).await => return None,
                Err(_) => {}
            }
        }
    }

    /// Waits before the store is tried again; false if that makes no sense. A job that was accepted
    /// is recorded to its end, and deleted, also on a full disk; what its agent says may wait.
    async fn may_try_again(&self, job: JobId, error: &StoreError, pause: &mut Duration) -> bool {
        if matches!(error, StoreError::NotFound(_) | StoreError::Closed) {
            return false;
        }
        tracing::error!(%job, "the store failed, it is tried again: {error}");
        if error.is_disk_full() {
            self.ballast.give_way();
        }
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(*pause) => {
                *pause = (*pause * 2).min(LAST_PAUSE);
                true
            }
        }
    }
}

/// Two changes may be told in another order than they were made.
fn ring(news: &watch::Sender<u64>, newest: u64) {
    news.send_if_modified(|known| {
        let is_more = newest > *known;
        *known = newest.max(*known);
        is_more
    });
}
