//! Slots: so many jobs run at one time, each as a task of its own.
//!
//! Not here: who is next ([`crate::queue`]), what a job does with its slot ([`crate::run`]).

use std::sync::Arc;

use engine::SandboxState;
use tracing::{Instrument as _, Span};
use types::JobId;

use crate::service::Inner;

/// How a job got its slot.
pub(crate) enum Turn {
    /// It was next in the queue.
    Next,
    /// An earlier orchestrator had begun with it and left a sandbox in this state, or none.
    Again(Option<SandboxState>),
    /// The same, and what that left is not known: its engine did not tell.
    Unsure,
}

impl Inner {
    /// Starts jobs as long as there are slots, and room for what they do.
    pub(crate) fn pump(self: &Arc<Self>) {
        loop {
            if self.draining.is_cancelled() || self.room.is_short() {
                return;
            }
            // Its own statement, so that the lock is not held while a job starts.
            let next = self.queue().next();
            let Some(job) = next else { return };
            self.spawn(job, Turn::Next);
        }
    }

    /// Runs a job that holds a slot.
    pub(crate) fn spawn(self: &Arc<Self>, job: JobId, turn: Turn) {
        let slot = Slot { inner: self.clone(), job, ended: false };
        let run = slot.run(turn).instrument(span(job));
        self.tasks.spawn(self.runs.track_future(run));
    }
}

/// What every line of the log says that is about a job, whoever writes it. Of the highest level: a
/// filter that lets a line through must not leave out whose it is. Beneath no other one: a job that
/// ends begins the next, and a queue of thousands would be one chain that is never let go.
pub(crate) fn span(job: JobId) -> Span {
    tracing::error_span!(parent: None, "job", %job, engine = tracing::field::Empty)
}

/// A job's slot, given to the next one when it is dropped, however the job's task ends.
struct Slot {
    inner: Arc<Inner>,
    job: JobId,
    /// Whether it was.
    ended: bool,
}

impl Slot {
    async fn run(mut self, turn: Turn) {
        self.inner.run(self.job, turn).await;
        self.ended = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.queue().done(self.job);
        // A task that is dropped before its end goes with all others: the next one would be dropped
        // while it is begun, and so on, each on the stack of the one before.
        if self.ended || std::thread::panicking() {
            self.inner.pump();
        }
    }
}
