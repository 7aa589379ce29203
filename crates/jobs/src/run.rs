//! One job from its slot to its end.

use std::sync::Arc;
use std::time::Duration;

use engine::{Ended, Engine, EngineError, SandboxEnd, SandboxSpec, SandboxState};
use gateway::{Gateway, KeyState};
use protocol::{AgentSpec, COMMAND_ID, CommandUser};
use runbook::Runbook;
use store::{Durability, Session};
use tokio_util::sync::CancellationToken;
use types::{Ending, EventKind, JobId, JobRecord, JobStatus, Network, Reason, StepOutcome};

use crate::lifecycle::Input;
use crate::service::Inner;
use crate::sink::{Door, JobSink};

/// How long a new sandbox may take until its agent says hello. A loaded machine needs seconds.
const HELLO_PATIENCE: Duration = Duration::from_secs(30);

/// How long an agent may take to stop its step after a cancel: its own grace is 2 s.
const CANCEL_GRACE: Duration = Duration::from_secs(4);

/// How long a stopped sandbox may take to be gone.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How a runner left its job.
enum Outcome {
    /// The work is over; how, and how its sandbox ended where there was one.
    Over(Ending, Option<Ended>),
    /// The orchestrator is stopping; the sandbox goes on.
    Detached,
}

/// A sandbox and what is between it and us.
struct Attached {
    gateway: Gateway,
    sink: Arc<JobSink>,
}

/// A job's slot, given to the next one when it is dropped, however the job's task ends.
struct Slot {
    inner: Arc<Inner>,
    job: JobId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.queue().done(self.job);
        self.inner.pump();
    }
}

impl Inner {
    /// Starts jobs as long as there are slots.
    pub(crate) fn pump(self: &Arc<Self>) {
        loop {
            // Its own statement, so that the lock is not held while a job starts.
            let next = if self.stopping.is_cancelled() { None } else { self.queue().next() };
            let Some(job) = next else { return };
            self.spawn(job, None);
        }
    }

    /// Runs a job that holds a slot. `found` is its sandbox's state where an earlier orchestrator
    /// had begun with it.
    pub(crate) fn spawn(self: &Arc<Self>, job: JobId, found: Option<SandboxState>) {
        let slot = Slot { inner: self.clone(), job };
        self.tasks.spawn(async move { slot.inner.run(job, found).await });
    }

    async fn run(self: &Arc<Self>, job: JobId, found: Option<SandboxState>) {
        let Some(record) = self.look(job).await else { return };
        let fresh = record.status == JobStatus::Scheduled;
        // Where it was cancelled in the meantime somebody else brings it to its end.
        if fresh && !self.happen(job, Durability::Grouped, Input::Admit).await {
            return;
        }
        if record.status != JobStatus::Packaging {
            let Some(engine) = self.engine(&record.spec.engine) else {
                let text =
                    format!("the engine {:?} is not configured any more", record.spec.engine);
                self.happen(job, Durability::Grouped, Input::Over(failed(text))).await;
                return self.conclude(job).await;
            };
            match self.work(&record, engine.as_ref(), found).await {
                Outcome::Detached => return,
                Outcome::Over(ending, ended) => self.over(job, ending, ended).await,
            }
        }
        self.conclude(job).await;
    }

    /// Makes or finds the sandbox and waits until its work is over.
    async fn work(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        found: Option<SandboxState>,
    ) -> Outcome {
        let cancel = match self.live().get(&record.id) {
            Some(live) => live.cancel.clone(),
            None => CancellationToken::new(),
        };
        let attached = match found {
            Some(SandboxState::Running | SandboxState::Ended) => self.attach(record, engine).await,
            _ if record.status == JobStatus::Running => {
                let text = "its sandbox was gone when the orchestrator came back";
                return Outcome::Over(Ending::error(Reason::Interrupted, text), None);
            }
            _ => self.make(record, engine).await,
        };
        let attached = match attached {
            Ok(attached) => attached,
            Err(ending) => return Outcome::Over(ending, None),
        };
        let outcome = match self.supervise(record.id, engine, &attached, &cancel).await {
            None => Outcome::Detached,
            Some(ending) => Outcome::Over(ending, stop(record.id, engine).await),
        };
        attached.gateway.close().await;
        outcome
    }

    /// A new sandbox, with nothing of an earlier try left.
    async fn make(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Result<Attached, Ending> {
        let job = record.id;
        if record.status == JobStatus::Starting {
            engine.remove(job).await.map_err(failed)?;
        }
        self.folders.make_for_job(job).map_err(failed)?;
        let spec = SandboxSpec { job, limits: record.spec.limits };
        engine.create(&spec).await.map_err(failed)?;
        let attached = self.connect(record, engine, Session::default()).await?;
        engine.start(job).await.map_err(failed)?;
        Ok(attached)
    }

    /// A sandbox that outlived an earlier orchestrator.
    async fn attach(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Result<Attached, Ending> {
        let read =
            self.store.update(record.id, Durability::Grouped, |draft| draft.state.session.clone());
        let session = read.await.map_err(failed)?;
        tracing::info!(job = %record.id, "found a job's sandbox again");
        self.connect(record, engine, session).await
    }

    async fn connect(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        session: Session,
    ) -> Result<Attached, Ending> {
        let key = match session.key_hash {
            None => KeyState::None,
            Some(hash) if session.key_used => KeyState::Used(hash),
            Some(hash) => KeyState::Given(hash),
        };
        let spec = AgentSpec {
            job: record.id,
            runbook: Runbook::parse(&record.spec.prompt).map_err(failed)?,
            command_user: engine.command_user().map(|uid| CommandUser { uid, gid: COMMAND_ID }),
            environment: record.spec.environment.clone(),
            egress: record.spec.network != Network::None,
            checkpoint: session.checkpoint.clone().and_then(|c| serde_json::from_value(c).ok()),
        };
        let report = engine.report().await.map_err(failed)?;
        let limit = record.spec.limits.output_bytes;
        let sink = Arc::new(JobSink::new(self.clone(), spec, report, limit, session));
        let dir = engine.gateway_dir(record.id);
        let gateway = Gateway::open(&dir, key, Arc::new(Door(sink.clone()))).map_err(failed)?;
        Ok(Attached { gateway, sink })
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
                ended = engine.wait(job) => lost(ended),
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
        tokio::select! {
            ending = over => Some(ending),
            ending = forced => Some(ending),
            () = self.stopping.cancelled() => None,
        }
    }

    /// Records that a job's work is over, how, and what it had used.
    async fn over(&self, job: JobId, ending: Ending, ended: Option<Ended>) {
        let usage = ended.map(|ended| ended.usage);
        let ending = refine(ending, ended);
        let noted = self.change(job, Durability::Grouped, move |draft| {
            draft.state.usage = usage;
            if let Some(step) = draft.state.session.open_step.take() {
                let outcome = StepOutcome::Interrupted;
                let event = EventKind::StepFinished { step, outcome, exit_code: None, millis: 0 };
                draft.append(jiff::Timestamp::now(), event);
            }
        });
        if let Err(e) = noted.await {
            tracing::error!(%job, "could not record what a job used: {e}");
        }
        self.happen(job, Durability::Grouped, Input::Over(ending)).await;
    }

    /// Packs a job whose work is over, removes its sandbox and ends it.
    pub(crate) async fn conclude(&self, job: JobId) {
        let Some(record) = self.look(job).await else { return };
        let engine = self.engine(&record.spec.engine);
        if record.zip_bytes.is_none() {
            let input = match self.pack(&record, engine.as_deref()).await {
                Ok(packed) => Input::Packed {
                    files: packed.files,
                    bytes: packed.zip_bytes,
                    left_out: packed.left_out,
                },
                Err(e) => Input::PackFailed(e),
            };
            // On the disk before the workspace goes.
            if !self.happen(job, Durability::Full, input).await {
                return;
            }
        }
        if let Some(engine) = engine
            && let Err(e) = engine.remove(job).await
        {
            // It is an orphan then; the sweeper tries again.
            tracing::error!(%job, "could not remove a sandbox: {e}");
        }
        if self.happen(job, Durability::Full, Input::Removed).await {
            self.tell_end(job).await;
        }
    }

    async fn tell_end(&self, job: JobId) {
        if let Ok(JobRecord { status, ending: Some(ending), .. }) = self.store.job(job).await {
            tracing::info!(%job, %status, reason = ?ending.reason, "ended");
        }
    }
}

/// Why nothing can be done about a job's sandbox.
pub(crate) fn not_configured(engine: &str) -> String {
    format!("the engine {engine:?} is not configured any more")
}

/// Kills what is left: nothing inside may outlive the last word of the agent.
async fn stop(job: JobId, engine: &dyn Engine) -> Option<Ended> {
    if let Err(e) = engine.stop(job).await {
        tracing::warn!(%job, "could not stop a sandbox: {e}");
    }
    match tokio::time::timeout(STOP_PATIENCE, engine.wait(job)).await {
        Ok(Ok(ended)) => Some(ended),
        Ok(Err(e)) => {
            tracing::warn!(%job, "could not learn how a sandbox ended: {e}");
            None
        }
        Err(_) => {
            tracing::error!(%job, "a sandbox is still not gone {}s after it was stopped", STOP_PATIENCE.as_secs());
            None
        }
    }
}

/// Ends when an agent had its time to say hello and did not; never if it did.
async fn no_hello(sink: &JobSink) {
    if tokio::time::timeout(HELLO_PATIENCE, sink.connected()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

fn failed(error: impl std::fmt::Display) -> Ending {
    Ending::error(Reason::SandboxFailed, error.to_string())
}

/// What it means that a sandbox ended before its agent reported.
fn lost(ended: Result<Ended, EngineError>) -> Ending {
    let lost = |text: String| Ending::error(Reason::SandboxLost, text);
    match ended.map(|ended| ended.end) {
        Ok(SandboxEnd::WallTime) => {
            Ending::error(Reason::LimitWall, "the job ran longer than limits.wall_seconds allows")
        }
        Ok(SandboxEnd::Exited { code }) => {
            lost(format!("its agent ended with exit code {code} before it reported a result"))
        }
        Ok(SandboxEnd::Stopped) => lost("its sandbox was stopped from outside".into()),
        Ok(SandboxEnd::Lost) => lost("its sandbox was killed from outside".into()),
        Err(e) => lost(e.to_string()),
    }
}

/// What happened after the kernel killed something for want of memory is told as that.
fn refine(ending: Ending, ended: Option<Ended>) -> Ending {
    let killed = ended.and_then(|ended| ended.usage.oom_kills).is_some_and(|kills| kills > 0);
    // A job that ran out of a limit is never complete, and its other failures follow from that.
    let follows = matches!(
        ending.reason,
        Reason::Finished | Reason::StepFailed | Reason::StepTimeout | Reason::SandboxLost
    );
    if killed && follows {
        let text = "the kernel killed a process of the job: more memory than limits.memory_bytes";
        return Ending { exit_code: ending.exit_code, ..Ending::error(Reason::LimitMemory, text) };
    }
    ending
}

#[cfg(test)]
mod tests {
    use types::Usage;

    use super::*;

    fn ended(oom_kills: u64) -> Option<Ended> {
        let usage = Usage { oom_kills: Some(oom_kills), ..Usage::default() };
        Some(Ended { end: SandboxEnd::Stopped, usage })
    }

    #[test]
    fn a_kill_for_want_of_memory_is_the_reason_whatever_followed() {
        let failed = Ending::error(Reason::StepFailed, "step 1").with_exit_code(1);
        for ending in [failed.clone(), Ending::complete()] {
            let refined = refine(ending.clone(), ended(1));
            assert_eq!((refined.status, refined.reason), (JobStatus::Error, Reason::LimitMemory));
            assert_eq!(refined.exit_code, ending.exit_code);
            assert_eq!(refine(ending.clone(), ended(0)), ending);
        }
        assert_eq!(refine(Ending::cancelled(), ended(1)), Ending::cancelled());
    }
}
