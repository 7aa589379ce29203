//! One job from its slot to its end.

use std::sync::Arc;
use std::time::Duration;

use engine::{Ended, Engine, EngineError, SandboxSpec, SandboxState};
use gateway::{Dialer, EgressPolicy, Gateway, KeyState};
use protocol::{AgentSpec, Assignment, COMMAND_ID, CommandUser};
use runbook::Runbook;
use store::{Draft, Durability, Session, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};
use types::{
    Ending, EventKind, JobId, JobRecord, JobSpec, JobStatus, Mode, NoticeLevel, Reason, Resumes,
};

use crate::ask::{self, Asking};
use crate::lifecycle::Input;
use crate::reach::Unreached;
use crate::service::Inner;
use crate::sink::{Door, JobSink};
use crate::translate::{Measure, Progress};
use crate::{outcome, resume, staging};

/// How long a new sandbox may take until its agent says hello. A loaded machine needs seconds.
const HELLO_PATIENCE: Duration = Duration::from_secs(30);

/// How long an agent may take to stop its step after a cancel: its own grace is 2 s.
const CANCEL_GRACE: Duration = Duration::from_secs(4);

/// How long what is in a stopped sandbox may take to be dead. Its files may take longer to come.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How a job's work was over, and how its sandbox ended where there was one. None if the
/// orchestrator is stopping, and the sandbox goes on.
type Outcome = Option<(Ending, Option<Ended>)>;

/// How a job got its slot.
pub(crate) enum Turn {
    /// It was next in the queue.
    Next,
    /// An earlier orchestrator had begun with it and left a sandbox in this state, or none.
    Again(Option<SandboxState>),
    /// The same, and what that left is not known: its engine did not tell.
    Unsure,
}

/// A sandbox and what is between it and us.
pub(crate) struct Attached {
    gateway: Gateway,
    sink: Arc<JobSink>,
    /// Rings when a person wants something.
    bell: watch::Receiver<usize>,
    /// The `seq` of what the agent was told last.
    told: u64,
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

    async fn run(self: &Arc<Self>, job: JobId, turn: Turn) {
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
            let event = EventKind::Notice { level: NoticeLevel::Warning, text };
            draft.append(draft.now, event);
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
        let attached = match self.reach(record, engine, found, &cancel).await? {
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
        };
        self.set_dialer(record.id, None);
        attached.gateway.close().await;
        attached.sink.stop_asking().await;
        attached.sink.settle().await;
        outcome
    }

    /// Kills what is left: nothing inside may outlive the last word of the agent.
    async fn end_sandbox(&self, job: JobId, engine: &dyn Engine) -> Option<Ended> {
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

    /// A new sandbox, with nothing of an earlier try left but the workspace of a job that it resumes.
    pub(crate) async fn make(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Result<Attached, Unreached> {
        let job = record.id;
        self.folders.make_for_job(job).map_err(Unreached::unless_full)?;
        let (limits, image) = (record.spec.limits, record.spec.image.clone());
        let spec = SandboxSpec { job, limits, image };
        if let Some(Resumes { job: from, .. }) = record.spec.resumes {
            let adopted = engine.adopt(from, &spec).await;
            adopted.map_err(|e| match e {
                EngineError::NotFound(_) => gone(from).into(),
                e => Unreached::from(e),
            })?;
            self.unkeep(from).await;
        } else {
            if record.status == JobStatus::Starting {
                engine.remove(job).await?;
            }
            if let Err(e) = engine.create(&spec).await {
                let EngineError::Exists(_) = e else { return Err(e.into()) };
                // Its beginning was lost in a power cut, and could not be undone.
                engine.remove(job).await?;
                engine.create(&spec).await?;
            }
            self.place_inputs(job, engine).await?;
        }
        let attached = self.connect(record, engine, self.session(job).await?).await?;
        engine.start(job).await?;
        Ok(attached)
    }

    /// What is remembered of a job's agent; of one that was never connected, where it begins.
    async fn session(&self, job: JobId) -> Result<Session, Unreached> {
        let read = |draft: &mut Draft| {
            ask::forfeit(draft);
            draft.state.session.clone()
        };
        self.insist(job, Durability::Grouped, read).await.ok_or(Unreached::Stopping)
    }

    /// Puts a job's input files into its workspace.
    async fn place_inputs(&self, job: JobId, engine: &dyn Engine) -> Result<(), Unreached> {
        if !self.inputs(job).is_some_and(|inputs| inputs.take()) {
            return Ok(());
        }
        let (from, workspace) = (self.folders.inputs(job), engine.workspace(job).await?);
        let place = move || staging::place(&from, &workspace);
        let placed = tokio::task::spawn_blocking(place).await.map_err(failed)?;
        placed.map_err(|e| {
            let disk_is_short = self.room.free() <= self.config.reserve_bytes;
            Unreached::unplaced(&e, disk_is_short)
        })
    }

    /// A sandbox that outlived an earlier orchestrator.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Result<Attached, Unreached> {
        let session = self.session(record.id).await?;
        tracing::info!(job = %record.id, "found a job's sandbox again");
        self.connect(record, engine, session).await
    }

    async fn connect(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
        session: Session,
    ) -> Result<Attached, Unreached> {
        let key = key_state(&session);
        let (assignment, asking) = self.assignment(&record.spec)?;
        let spec = AgentSpec {
            job: record.id,
            assignment,
            approve: record.spec.approve,
            include_caches: record.spec.include_caches,
            command_user: engine.command_user().map(|uid| CommandUser { uid, gid: COMMAND_ID }),
            environment: record.spec.environment.clone(),
            desktop: record.spec.desktop,
            checkpoint: session.checkpoint.clone().and_then(|c| serde_json::from_value(c).ok()),
            resumes: record.spec.resumes,
        };
        let limits = &record.spec.limits;
        let steps = asking.as_ref().map(|_| limits.steps);
        let measure = Measure { output_bytes: limits.output_bytes, steps };
        let report = engine.report().await?;
        let progress = Progress { session, result: record.result.clone() };
        let sink = JobSink::new(self.clone(), spec, asking, report, measure, progress);
        let sink = Arc::new(sink);
        // Before the look: what is said after it rings.
        let bell = self.live().get(&record.id).map(|live| live.wishes.subscribe());
        let bell = bell.unwrap_or_else(|| watch::channel(0).1);
        let unread = |e: StoreError| Unreached::Away(e.to_string());
        let wishes = self.wishes(record.id, 0).await.map_err(unread)?;
        let told = wishes.last().map_or(0, |wish| wish.n);
        let dir = engine.gateway_dir(record.id);
        let (network, allow) = (record.spec.network.clone(), self.config.egress_allow.clone());
        let egress = EgressPolicy { network, allow, own_ports: self.config.own_ports.clone() };
        let gateway = Gateway::open(&dir, key, Arc::new(Door(sink.clone())), egress, wishes);
        Ok(Attached { gateway: gateway.map_err(Unreached::unless_full)?, sink, bell, told })
    }

    /// What an agent is to do, and whom it asks how.
    fn assignment(&self, spec: &JobSpec) -> Result<(Assignment, Option<Asking>), Ending> {
        if spec.mode != Mode::Agent {
            let runbook = Runbook::parse(&spec.prompt).map_err(failed)?;
            return Ok((Assignment::Runbook { runbook }, None));
        }
        let nobody = |why: String| Ending::error(Reason::ModelUnavailable, why);
        let asking = Asking::new(self.config.models.clone(), spec.model.as_deref(), spec.limits)
            .map_err(|e| nobody(e.to_string()))?;
        let model =
            asking.facts().ok_or_else(|| nobody("no model is configured any more".into()))?;
        Ok((Assignment::Task { prompt: spec.prompt.clone(), model }, Some(asking)))
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

/// Who is let in by the gateway of a job with this session.
pub(crate) fn key_state(session: &Session) -> KeyState {
    match session.key_hash {
        None => KeyState::None,
        Some(hash) if session.key_used => KeyState::Used(hash),
        Some(hash) => KeyState::Given(hash),
    }
}

/// What every line of the log says that is about a job, whoever writes it. Of the highest level: a
/// filter that lets a line through must not leave out whose it is. Beneath no other one: a job that
/// ends begins the next, and a queue of thousands would be one chain that is never let go.
pub(crate) fn span(job: JobId) -> Span {
    tracing::error_span!(parent: None, "job", %job, engine = tracing::field::Empty)
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

/// Ends when an agent had its time to say hello and did not; never if it did.
async fn no_hello(sink: &JobSink) {
    if tokio::time::timeout(HELLO_PATIENCE, sink.connected()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

fn gone(workspace: JobId) -> Ending {
    failed(format!("the workspace of job {workspace} is gone; give the job again"))
}

fn failed(error: impl std::fmt::Display) -> Ending {
    Ending::error(Reason::SandboxFailed, error.to_string())
}
