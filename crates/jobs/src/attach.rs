//! A job's sandbox, made or found again, and the gateway between it and us.
//!
//! Not here: which of both it is, and what is done while it cannot be had ([`crate::reach`]).

use std::sync::Arc;

use engine::{Engine, EngineError, SandboxSpec};
use gateway::{EgressPolicy, Gateway, KeyState};
use protocol::{AgentSpec, Assignment, COMMAND_ID, CommandUser};
use runbook::Runbook;
use store::{Draft, Durability, Session, StoreError};
use tokio::sync::watch;
use types::{Ending, JobId, JobRecord, JobSpec, Mode, Reason, Resumes};

use crate::ask::{self, Asking};
use crate::door::Door;
use crate::reach::Unreached;
use crate::room::{self, NoRoom, SetAside};
use crate::service::Inner;
use crate::sink::JobSink;
use crate::staging;
use crate::translate::{Measure, Progress};

/// A sandbox and what is between it and us.
pub(crate) struct Attached {
    pub(crate) gateway: Gateway,
    pub(crate) sink: Arc<JobSink>,
    /// Rings when a person wants something.
    pub(crate) bell: watch::Receiver<usize>,
    /// The `seq` of what the agent was told last.
    pub(crate) told: u64,
}

impl Inner {
    /// A new sandbox, with nothing of an earlier try left but the workspace of a job that it resumes.
    pub(crate) async fn make(
        self: &Arc<Self>,
        record: &JobRecord,
        engine: &dyn Engine,
    ) -> Result<Attached, Unreached> {
        let prepared = self.prepare(record, engine).await;
        if matches!(prepared, Err(Unreached::NoRoom(_)))
            && record.spec.resumes.is_none()
            && let Err(e) = engine.remove(record.id).await
        {
            // It is tried again; until then what is half made takes room that others could have.
            tracing::warn!(job = %record.id, "could not remove a half-made sandbox: {e}");
        }
        let attached = prepared?;
        engine.start(record.id).await?;
        Ok(attached)
    }

    /// All of a new sandbox but that it runs.
    async fn prepare(
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
            self.create(&spec, engine).await?;
        }
        self.connect(record, engine, self.session(job).await?).await
    }

    /// A sandbox with the job's input files in its workspace.
    async fn create(&self, spec: &SandboxSpec, engine: &dyn Engine) -> Result<(), Unreached> {
        let inputs = self.inputs(spec.job).and_then(|inputs| inputs.take());
        let _room = inputs.map(|bytes| self.room_for(bytes)).transpose()?;
        if engine.create(spec).await.is_err() {
            // What an earlier try left may be in its way.
            engine.remove(spec.job).await?;
            engine.create(spec).await?;
        }
        if inputs.is_some() {
            self.place_inputs(spec.job, engine).await?;
        }
        Ok(())
    }

    /// Room for a copy of input files where they lie: most engines have their workspaces there, too.
    /// Without it the copy would fill the disk and cost other jobs their lives.
    fn room_for(&self, bytes: u64) -> Result<SetAside, Unreached> {
        let room = self.room.set_aside(&self.folders.all_inputs(), bytes);
        room.map_err(|NoRoom { free, needed }| {
            Unreached::NoRoom(format!(
                "the server's disk has no room for the job's input files of {bytes} bytes: {free} \
                 are free, and with what is kept in reserve it takes {needed}"
            ))
        })
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
        let (from, workspace) = (self.folders.inputs(job), engine.workspace(job).await?);
        let is_on_disk = room::is_on_one_disk(&from, &workspace.path());
        let place = move || staging::place(&from, &workspace);
        let placed = tokio::task::spawn_blocking(place).await.map_err(failed)?;
        placed.map_err(|e| Unreached::unplaced(&e, self.room.is_short(), is_on_disk))
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
}

/// Who is let in by the gateway of a job with this session.
pub(crate) fn key_state(session: &Session) -> KeyState {
    match session.key_hash {
        None => KeyState::None,
        Some(hash) if session.key_used => KeyState::Used(hash),
        Some(hash) => KeyState::Given(hash),
    }
}

fn gone(workspace: JobId) -> Ending {
    failed(format!("the workspace of job {workspace} is gone; give the job again"))
}

/// An end for want of a sandbox.
pub(crate) fn failed(error: impl std::fmt::Display) -> Ending {
    Ending::error(Reason::SandboxFailed, error.to_string())
}
