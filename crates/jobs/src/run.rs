//! One job from its slot to its end.

use std::sync::Arc;
use std::time::Duration;

use engine::{Ended, Engine, SandboxState};
use gateway::Dialer;
use store::{Draft, Durability};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use types::{Ending, EventKind, JobId, JobRecord, JobStatus, NoticeLevel};

use crate::attach::{Attached, failed};
use crate::lifecycle::Input;
use crate::service::Inner;
use crate::sink::JobSink;
use crate::slot::Turn;
use crate::{outcome, resume};

/// How long a new sandbox may take until its agent says hello. A loaded machine needs seconds.
const HELLO_PATIENCE: Duration = Duration::from_secs(30);

/// How long an agent may take to stop its step after a cancel: its own grace is 2 s.
const CANCEL_GRACE: Duration = Duration::from_secs(4);

/// How long what is in a stopped sandbox may take to be dead. Its files may take longer to come.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How a job's work was over, and how its sandbox ended where there was one. None if the
/// orchestrator is stopping, and the sandbox goes on.
type Outcome = Option<(Ending, Option<Ended>)>;

impl Inner {
    pub(crate) async fn run(self: &Arc<Self>, job: JobId, turn: Turn) {
        let Some(record) = self.look(job).await else { return };
        Span::current().record("engine", &*record.spec.engine);
        let engine = self.engine(&record.spec.engine);
        if engine.is_none() && may_have_sandbox(&record) {
            return self.leave(&record).await;
        }
        let found = match turn {
            Turn::Again(found) => Some(found),
            Turn::Unsure => None,
            Turn::Next if self.admit_next(&record).await => Some(None),
            // It was cancelled in the meantime; somebody else brings it to its end.
            Turn::Next => return,
        };
        if let Some(engine) = engine.filter(|_| record.status != JobStatus::Packaging) {
            match self.work(&record, engine.as_ref(), found).await {
                None => return,
                Some((ending, ended)) => self.over(job, ending, ended).await,
            }
        }
        self.conclude(job).await;
    }

    /// Leaves a job alone whose engine this orchestrator does not have: one that has it may come again.
    async fn leave(self: &Arc<Self>, record: &JobRecord) {
        let (job, text) = (record.id, not_configured(&record.spec.engine));
        tracing::warn!(%job, "{text}");
        let tell = move |draft: &mut Draft| {
            // It may have been cancelled in the queue.
            if !draft.state.status.is_final() {
                let event = EventKind::Notice { level: NoticeLevel::Warning, text };
                draft.append(draft.now, event);
            }
        };
        self.insist(job, Durability::Grouped, tell).await;
        // It keeps no slot from others; one in the queue is cancelled without us.
        self.queue().done(job);
        self.pump();
        let cancel = self.live().get(&job).map(|live| live.cancel.clone()).unwrap_or_default();
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = self.draining.cancelled() => {}
            () = cancel.cancelled() => {
                self.over(job, Ending::cancelled(), None).await;
                self.conclude(job).await;
            }
        }
    }

    /// Gives a job its slot, and says where it begins if it goes on after another one.
    async fn admit_next(&self, record: &JobRecord) -> bool {
        let told = record.spec.resumes.map(|resumes| resume::told(resumes, record.spec.mode));
        let note = move |draft: &mut Draft| {
            if let Some(told) = told.clone()
                && draft.state.status == JobStatus::Scheduled
            {
                draft.append(draft.now, told);
            }
        };
        self.settle(record.id, Durability::Grouped, Input::Admit, note).await
    }

    /// Makes or finds the sandbox and waits until its work is over.
    async fn work(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        found: Option<Option<SandboxState>>,
    ) -> Outcome {
        let (cancel, evict) = match self.live().get(&record.id) {
            Some(live) => (live.cancel.clone(), live.evict.clone()),
            None => Default::default(),
        };
        let attached = match self.reach(record, engine, found, (&cancel, &evict)).await? {
            Ok(attached) => attached,
            Err(ending) => return Some((ending, None)),
        };
        self.set_dialer(record.id, Some(attached.gateway.dialer()));
        let outcome = tokio::select! {
            ending = self.supervise(record.id, engine, &attached, &cancel) => match ending {
                None => None,
                Some(ending) => Some((ending, self.end_sandbox(record.id, engine).await)),
            },
            () = evict.cancelled() => Some((self.evict(record.id, engine).await, None)),
            never = self.sample(record, engine) => match never {},
        };
        self.set_dialer(record.id, None);
        attached.gateway.close().await;
        attached.sink.stop_asking().await;
        attached.sink.settle().await;
        outcome
    }

    /// Kills what is left: nothing inside may outlive the last word of the agent.
    pub(crate) async fn end_sandbox(&self, job: JobId, engine: &dyn Engine) -> Option<Ended> {
        if let Err(e) = engine.stop(job).await {
            tracing::warn!(%job, "could not stop a sandbox: {e}");
        }
        let mut waiting = engine.wait(job);
        let ended = match tokio::time::timeout(STOP_PATIENCE, &mut waiting).await {
            Ok(ended) => ended,
            Err(_) if is_dead(job, engine).await => tokio::select! {
                ended = waiting => ended,
                () = self.stopping.cancelled() => return None,
            },
            Err(_) => {
                let waited = STOP_PATIENCE.as_secs();
                tracing::error!(%job, "a sandbox is still not gone {waited}s after it was stopped");
                return None;
            }
        };
        let tell = |e: &_| tracing::warn!(%job, "could not learn how a sandbox ended: {e}");
        ended.inspect_err(tell).ok()
    }

    fn set_dialer(&self, job: JobId, dialer: Option<Dialer>) {
        if let Some(live) = self.live().get_mut(&job) {
            live.dialer = dialer;
        }
    }

    /// Waits until the work is over; `None` if the orchestrator stops first.
    async fn supervise(
        &self,
        job: JobId,
        engine: &dyn Engine,
        attached: &Attached,
        cancel: &CancellationToken,
    ) -> Option<Ending> {
        let over = async {
            tokio::select! {
                biased;
                ending = attached.sink.verdict() => ending,
                ended = engine.wait(job) => outcome::lost(ended),
                () = no_hello(&attached.sink) => {
                    failed(format!("its agent did not say hello within {}s", HELLO_PATIENCE.as_secs()))
                }
            }
        };
        let forced = async {
            cancel.cancelled().await;
            attached.gateway.cancel();
            // Before its agent is there, nothing runs that could be stopped gently.
            if attached.sink.is_connected() {
                tokio::time::sleep(CANCEL_GRACE).await;
            }
            Ending::cancelled()
        };
        let Attached { gateway, bell, told, .. } = attached;
        tokio::select! {
            ending = over => Some(ending),
            ending = forced => Some(ending),
            never = self.pass_on(job, *told, bell.clone(), gateway) => match never {},
            () = self.stopping.cancelled() => None,
        }
    }
}

/// Why nothing can be done about a job's sandbox.
pub(crate) fn not_configured(engine: &str) -> String {
    format!(
        "the engine {engine:?} is not configured here; the job waits until the server is started with \
         it (--engine), or the job is cancelled"
    )
}

/// Whether there is, or will be, a sandbox to care for.
fn may_have_sandbox(record: &JobRecord) -> bool {
    record.status != JobStatus::Packaging || record.started.is_some()
}

/// Whether nothing inside runs any more.
async fn is_dead(job: JobId, engine: &dyn Engine) -> bool {
    let all = engine.list().await.unwrap_or_default();
    all.contains(&(job, SandboxState::Ended))
}

/// Ends when an agent had its time to say hello and did not; never if it did. While the store cannot
/// take it (a full disk, say) it is not the agent that fails.
async fn no_hello(sink: &JobSink) {
    while tokio::time::timeout(HELLO_PATIENCE, sink.connected()).await.is_err() {
        if !sink.was_unheard() {
            return;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use protocol::Hello;

    use super::*;
    use crate::bed::{self, Bed};

    #[tokio::test]
    async fn an_agent_that_could_not_be_heard_has_its_time_again() {
        let bed = Bed::new().await;
        // A store that does not take it.
        let unheard = bed::sink(&bed.jobs, JobId::generate());
        let hello = Hello { protocol: protocol::VERSION, agent_version: "1".into() };
        unheard.hello(hello, None).await.unwrap_err();
        tokio::time::pause();
        for (sink, patiences) in [(&unheard, 2), (&unheard, 1), (&bed.sink, 1)] {
            let begun = tokio::time::Instant::now();
            no_hello(sink).await;
            assert_eq!(begun.elapsed().as_secs() / HELLO_PATIENCE.as_secs(), patiences);
        }
    }
}
