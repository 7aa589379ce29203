//! The order in which a job's reports are taken: written, recorded, and only then counted. A crash
//! between any two of these loses nothing and doubles nothing, because the agent sends again what
//! it has no answer to.
//!
//! Not here: what reports come to ([`crate::translate`]), disk and store ([`crate::sink`]).

use gateway::SinkError;
use jiff::Timestamp;
use protocol::Report;
use store::{Draft, Session, Spend};
use tokio::sync::Mutex;
use types::{Ending, EventKind, Waiting};

use crate::translate::{Measure, Output, Progress, translate};

/// One job's. A batch is taken whole before the next one.
#[derive(Debug)]
pub(crate) struct Intake {
    measure: Measure,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    progress: Progress,
    /// Nothing is taken any more.
    settled: bool,
}

/// What a batch changes in the store.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    progress: Progress,
    events: Vec<(Timestamp, EventKind)>,
    waiting: Option<Option<Waiting>>,
}

impl Intake {
    pub(crate) fn new(measure: Measure, progress: Progress) -> Self {
        Self { measure, state: Mutex::new(State { progress, settled: false }) }
    }

    /// Takes a batch; what was taken before is dropped. The answer is the highest durable number,
    /// and how the job ends if that is decided now.
    ///
    /// `write` puts output into the logs at these offsets: what a crash leaves beyond what was
    /// recorded is overwritten by the repeat. `record` changes the store by [`Record::apply`].
    ///
    /// # Errors
    /// [`SinkError`]; nothing was taken then, as far as the agent may know.
    pub(crate) async fn take<W, R>(
        &self,
        reports: Vec<Report>,
        write: impl FnOnce((u64, u64), Output) -> W,
        record: impl FnOnce(Record) -> R,
    ) -> Result<(u64, Option<Ending>), SinkError>
    where
        W: Future<Output = Result<(), SinkError>>,
        R: Future<Output = Result<Option<Ending>, SinkError>>,
    {
        let mut state = self.state.lock().await;
        if state.settled {
            return Err(SinkError::Unavailable("the job is over".into()));
        }
        let session = &state.progress.session;
        let before = (session.stdout_bytes, session.stderr_bytes);
        let batch = translate(reports, state.progress.clone(), self.measure)?;
        write(before, batch.output).await?;
        let progress = batch.progress.clone();
        let verdict =
            record(Record { progress, events: batch.events, waiting: batch.waiting }).await?;
        state.progress = batch.progress;
        Ok((state.progress.session.acked, verdict))
    }

    /// The highest number that was taken.
    pub(crate) async fn acked(&self) -> u64 {
        self.state.lock().await.progress.session.acked
    }

    /// Waits until the batch that is being taken is recorded; nothing is taken after it. What comes
    /// too late for the result must not be in the log either.
    pub(crate) async fn settle(&self) {
        self.state.lock().await.settled = true;
    }
}

impl Record {
    /// Takes over what was reported; what was not is not the agent's. How the job ends is answered,
    /// if that is decided: by this or, first come first served, by something before it.
    pub(crate) fn apply(self, draft: &mut Draft) -> Option<Ending> {
        let Progress { session, result } = self.progress;
        let known = draft.state.session.clone();
        draft.state.result = result;
        draft.state.session = Session {
            key_hash: known.key_hash,
            key_used: known.key_used,
            sent_bytes: known.sent_bytes,
            received_bytes: known.received_bytes,
            verdict: known.verdict.or(session.verdict),
            spend: Spend { steps: session.spend.steps, ..known.spend },
            ..session
        };
        if let Some(waiting) = self.waiting {
            draft.state.waiting = waiting;
        }
        for (at, event) in self.events {
            // A sandbox's clock may not run ahead of ours.
            draft.append(at.min(draft.now), event);
        }
        draft.state.session.verdict.clone()
    }
}
