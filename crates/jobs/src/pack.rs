//! The result: the workspace, and what is known of the job.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use artifacts::{Extra, Options, PackRequest, Packed, Source};
use engine::{Engine, EngineError, Workspace};
use store::{Draft, Durability, Session, StoreError};
use types::{EventKind, JobId, JobRecord, JobSpec, Mode, NoticeLevel, Stream};

use crate::account::{self, ModelUse};
use crate::replay::Replay;
use crate::room;
use crate::run::not_configured;
use crate::service::Inner;

/// Events written at one time.
const PAGE: u32 = 1000;

/// How long a job waits for room for its result, or for its engine, and how often it looks. Longer
/// than retention takes to make some, and than a daemon is away that starts again.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_secs(3);

/// Why there is no ZIP.
struct Unpacked {
    /// For people.
    why: String,
    /// Whether that may pass: there was no room for it, the store failed, or its engine was away.
    may_pass: bool,
}

impl Inner {
    /// Packs a job's workspace into its `output.zip`; tries again for some time where the disk is
    /// full or the engine away. None if the orchestrator stops first.
    ///
    /// # Errors
    /// Why there is no ZIP, for people.
    pub(crate) async fn pack(
        &self,
        record: &JobRecord,
        engine: Option<&dyn Engine>,
    ) -> Option<Result<Packed, String>> {
        let (mut deadline, mut waits) = (None, None);
        loop {
            let turn = self.packers.acquire().await.ok()?;
            let at_least = Instant::now() + PATIENCE;
            let deadline = deadline.get_or_insert(at_least);
            // No result is given up because somebody filled the disk.
            if self.room.is_short() || self.ballast.check(&self.folders.of_job(record.id)).is_err()
            {
                *deadline = at_least;
            }
            let workspace = tokio::select! {
                biased;
                found = workspace(record, engine) => found,
                // They may be a long way off.
                () = self.stopping.cancelled() => return None,
            };
            let packed = match workspace {
                Ok(workspace) => self.pack_once(record, workspace).await,
                Err(e) => Err(e),
            };
            match packed {
                Err(Unpacked { why, may_pass: true }) if Instant::now() < *deadline => {
                    waits.get_or_insert_with(|| self.metrics.result_waits());
                    tracing::warn!(job = %record.id, "a result cannot be kept yet, it is tried again: {why}");
                }
                packed => return Some(packed.map_err(|unpacked| unpacked.why)),
            }
            // Who waits keeps nobody waiting.
            drop(turn);
            let stopped = self.stopping.cancelled();
            if tokio::time::timeout(PAUSE, stopped).await.is_ok() {
                return None;
            }
        }
    }

    async fn pack_once(
        &self,
        record: &JobRecord,
        workspace: Option<Workspace>,
    ) -> Result<Packed, Unpacked> {
        self.folders.make_for_job(record.id).map_err(unpacked)?;
        let room = self.ballast.check(&self.folders.of_job(record.id));
        room.map_err(|e| Unpacked { why: e.to_string(), may_pass: true })?;
        self.settle_logs(record.id).await.map_err(unwritten)?;
        let events = self.folders.of_job(record.id).join("events.ndjson.tmp");
        let packed = match self.write_events(record.id, &events).await {
            Ok(told) => self.pack_with(record, workspace, events.clone(), told).await,
            Err(e) => Err(unwritten(e)),
        };
        drop(tokio::fs::remove_file(events).await);
        packed
    }

    /// Has the logs on the disk before anything says how long they are for good.
    async fn settle_logs(&self, job: JobId) -> Result<(), Unwritten> {
        let session = |draft: &mut Draft| draft.state.session.clone();
        let recorded = self.insist(job, Durability::Grouped, session).await;
        let recorded = recorded.ok_or(StoreError::Closed)?;
        let logs = [
            (self.folders.log(job, Stream::Stdout), recorded.stdout_bytes),
            (self.folders.log(job, Stream::Stderr), recorded.stderr_bytes),
        ];
        let settle = move || -> io::Result<[u64; 2]> {
            let [(out, out_bytes), (err, err_bytes)] = &logs;
            Ok([settle_log(out, *out_bytes)?, settle_log(err, *err_bytes)?])
        };
        let there = tokio::task::spawn_blocking(settle).await.map_err(io::Error::from)??;
        let told = self.insist(job, Durability::Grouped, move |draft| tell_lost(draft, there));
        Ok(told.await.ok_or(StoreError::Closed)?)
    }

    async fn write_events(&self, job: JobId, path: &Path) -> Result<Told, Unwritten> {
        let mut told = Told::default();
        let mut file = BufWriter::new(File::create(path)?);
        let mut after = 0;
        loop {
            let page = self.store.events(job, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for event in &page {
                serde_json::to_writer(&mut file, event).map_err(io::Error::from)?;
                file.write_all(b"\n")?;
                told.hear(&event.event);
            }
        }
        file.flush()?;
        Ok(told)
    }

    async fn pack_with(
        &self,
        record: &JobRecord,
        workspace: Option<Workspace>,
        events: PathBuf,
        Told { replay, models }: Told,
    ) -> Result<Packed, Unpacked> {
        let log = |stream| Source::File(self.folders.log(record.id, stream));
        let runbook = match record.spec.mode {
            Mode::Agent => replay.runbook(&record.spec.title, record.ending.as_ref()),
            Mode::Auto | Mode::Runbook => record.spec.prompt.clone(),
        };
        let extras = vec![
            Extra { name: "runbook.md", source: Source::Bytes(runbook.into()) },
            Extra { name: "events.ndjson", source: Source::File(events) },
            Extra { name: "stdout.log", source: log(Stream::Stdout) },
            Extra { name: "stderr.log", source: log(Stream::Stderr) },
        ];
        let target = self.folders.zip(record.id);
        let options = options(&record.spec);
        let job = facts(record, models);
        let work = move || {
            artifacts::pack(PackRequest {
                workspace: workspace.as_ref().map(AsFd::as_fd),
                target: &target,
                job,
                extras,
                options,
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(unpacked)?.map_err(unpacked)
    }
}

/// What a job has on its disk is packed whole, also by several names; files of holes, which are larger
/// than any disk and cost only the server, are not.
fn options(spec: &JobSpec) -> Options {
    let most = Options::default();
    Options {
        include_caches: spec.include_caches,
        max_total_bytes: most.max_total_bytes.min(spec.limits.disk_bytes.saturating_mul(16)),
        ..most
    }
}

/// Takes away what was written and never recorded, because an orchestrator was killed in between: the
/// agent that would have said it again is gone. How much there is then, on the disk.
fn settle_log(path: &Path, recorded: u64) -> io::Result<u64> {
    let log = match File::options().write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        opened => opened?,
    };
    let there = log.metadata()?.len().min(recorded);
    log.set_len(there)?;
    log.sync_data()?;
    Ok(there)
}

/// Says what was recorded and is not there, and counts it no more.
fn tell_lost(draft: &mut Draft, [out, err]: [u64; 2]) {
    let now = draft.now;
    let Session { stdout_bytes, stderr_bytes, .. } = &mut draft.state.session;
    let mut lost = vec![];
    for (stream, recorded, there) in
        [(Stream::Stdout, stdout_bytes, out), (Stream::Stderr, stderr_bytes, err)]
    {
        if *recorded > there {
            lost.push(format!(
                "{}.log is truncated: the last {} of its {recorded} bytes were not on the disk when the \
                 machine lost power",
                stream.as_str(),
                *recorded - there
            ));
            *recorded = there;
        }
    }
    for text in lost {
        draft.append(now, EventKind::Notice { level: NoticeLevel::Warning, text });
    }
}

/// What of a job's events goes into other files than theirs.
#[derive(Default)]
struct Told {
    replay: Replay,
    models: Vec<ModelUse>,
}

impl Told {
    fn hear(&mut self, event: &EventKind) {
        match event {
            EventKind::ModelCall { call } => account::add(&mut self.models, call),
            event => self.replay.hear(event),
        }
    }
}

/// The job's files; none if it never had any.
async fn workspace(
    record: &JobRecord,
    engine: Option<&dyn Engine>,
) -> Result<Option<Workspace>, Unpacked> {
    match (engine, record.started) {
        (Some(engine), _) => match engine.workspace(record.id).await {
            Ok(workspace) => Ok(Some(workspace)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(e @ (EngineError::Unavailable { .. } | EngineError::Away { .. })) => {
                Err(Unpacked { why: e.to_string(), may_pass: true })
            }
            Err(e) => Err(unpacked(e)),
        },
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Unpacked { why: not_configured(&record.spec.engine), may_pass: false })
        }
    }
}

fn unpacked(error: impl std::error::Error + 'static) -> Unpacked {
    Unpacked { why: error.to_string(), may_pass: room::is_cause(&error) }
}

/// A store that fails is tried again like a disk that is full, often the cause of it.
fn unwritten(error: Unwritten) -> Unpacked {
    let stored = matches!(error, Unwritten::Store(_));
    let unpacked = unpacked(error);
    Unpacked { may_pass: stored || unpacked.may_pass, ..unpacked }
}

/// Why the events and logs could not be written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("write the events and logs: {0}")]
    Io(#[from] io::Error),
    #[error("write the events and logs: {0}")]
    Store(#[from] StoreError),
}

/// What the manifest says of the job. A runbook's prompt is beside it, as `runbook.md`.
fn facts(record: &JobRecord, models: Vec<ModelUse>) -> serde_json::Value {
    serde_json::json!({
        "job_id": record.id,
        "mode": record.spec.mode,
        "engine": record.spec.engine,
        "limits": record.spec.limits,
        "network": record.spec.network,
        // Their values may be secrets.
        "environment": record.spec.environment.keys().collect::<Vec<_>>(),
        "approve": record.spec.approve,
        "created": record.created,
        "started": record.started,
        "result": record.ending,
        "agent": agent(record, models),
        "sandbox": record.sandbox,
        "usage": record.usage,
    })
}

/// What the manifest says of an agent's work; nothing of a runbook's.
fn agent(record: &JobRecord, models: Vec<ModelUse>) -> Option<serde_json::Value> {
    let result = record.result.as_ref();
    (record.spec.mode == Mode::Agent).then(|| {
        serde_json::json!({
            "task": record.spec.prompt,
            "model": record.spec.model,
            "summary": result.map(|result| &result.summary),
            "artifacts": result.map(|result| &result.artifacts),
            "checks": result.map(|result| &result.checks),
            "verified": result.map(|result| result.verified),
            "models": models,
        })
    })
}
