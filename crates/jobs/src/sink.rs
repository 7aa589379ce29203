//! Where an agent's reports go: into the job's events and its log files, each once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use gateway::SinkError;
use jiff::Timestamp;
use protocol::{AgentSpec, Hello, Report};
use store::{Draft, Durability, Session, Spend};
use tokio::sync::{Mutex, watch};
use types::{
    Egress, Ending, EventKind, JobId, ModelAnswer, ModelRequest, Reason, SandboxReport, Stream,
};

use crate::ask::Asking;
use crate::bound;
use crate::lifecycle::{self, Input};
use crate::service::Inner;
use crate::translate::{Measure, Output, Progress, translate};

/// One job's sink. A batch is handled whole before the next one.
#[derive(Debug)]
pub(crate) struct JobSink {
    pub(crate) inner: Arc<Inner>,
    pub(crate) job: JobId,
    /// Whom its agent asks; none for a runbook.
    pub(crate) asking: Option<Asking>,
    spec: AgentSpec,
    sandbox: SandboxReport,
    measure: Measure,
    /// How the agent says its work went, or which limit its reports broke. The first one stays.
    verdict: watch::Sender<Option<Ending>>,
    connected: watch::Sender<bool>,
    progress: Mutex<Progress>,
    /// Nothing is taken any more. Set while `progress` is held.
    settled: AtomicBool,
}

impl JobSink {
    pub(crate) fn new(
        inner: Arc<Inner>,
        spec: AgentSpec,
        asking: Option<Asking>,
        sandbox: SandboxReport,
        measure: Measure,
        progress: Progress,
    ) -> Self {
        let session = &progress.session;
        Self {
            inner,
            job: spec.job,
            asking,
            spec,
            sandbox,
            measure,
            verdict: watch::Sender::new(session.verdict.clone()),
            // An agent that used its key once will come back by itself.
            connected: watch::Sender::new(session.key_used),
            progress: Mutex::new(progress),
            settled: AtomicBool::new(false),
        }
    }

    /// Waits until the agent's work is over, as far as its reports tell.
    pub(crate) async fn verdict(&self) -> Ending {
        let mut verdict = self.verdict.subscribe();
        let ending = verdict.wait_for(Option::is_some).await.map(|ending| ending.clone());
        match ending {
            Ok(Some(ending)) => ending,
            // The sender is ours: it cannot be gone.
            _ => std::future::pending().await,
        }
    }

    /// Waits until the agent has said hello.
    pub(crate) async fn connected(&self) {
        // The sender is ours: it cannot be gone.
        drop(self.connected.subscribe().wait_for(|connected| *connected).await);
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Decides how the job ends, if nobody did before.
    pub(crate) fn decide(&self, ending: Ending) {
        self.verdict.send_if_modified(|verdict| {
            let first = verdict.is_none();
            verdict.get_or_insert(ending);
            first
        });
    }

    /// Waits until the batch that is being taken is recorded; nothing is taken after it. What comes
    /// too late for the result must not be in the log either.
    pub(crate) async fn settle(&self) {
        let _progress = self.progress.lock().await;
        self.settled.store(true, Ordering::Relaxed);
    }

    async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        let agent = bound::text(hello.agent_version);
        let input = Input::Connected { agent, sandbox: self.sandbox.clone() };
        let change = move |draft: &mut Draft| {
            if new_key.is_some() {
                draft.state.session.key_hash = new_key;
            }
            lifecycle::apply_to(draft, input)
        };
        // On the disk: from here on the job is never started again.
        let applied = self.inner.change(self.job, Durability::Full, change).await;
        applied.map_err(unavailable)?.map_err(|e| SinkError::Refused(e.to_string()))?;
        self.connected.send_replace(true);
        self.inner.release_inputs(self.job);
        Ok((self.spec.clone(), self.progress.lock().await.session.acked))
    }

    async fn key_used(&self) -> Result<(), SinkError> {
        let change = |draft: &mut Draft| draft.state.session.key_used = true;
        self.inner.change(self.job, Durability::Grouped, change).await.map_err(unavailable)
    }

    async fn egress(&self, egress: Egress) -> Result<(), SinkError> {
        let change = move |draft: &mut Draft| {
            let session = &mut draft.state.session;
            session.sent_bytes = session.sent_bytes.saturating_add(egress.sent_bytes);
            session.received_bytes = session.received_bytes.saturating_add(egress.received_bytes);
            draft.append(Timestamp::now(), EventKind::Egress { egress });
        };
        self.inner.change(self.job, Durability::Grouped, change).await.map_err(unavailable)
    }

    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let taken = self.take(reports).await;
        if let Err(SinkError::Refused(why)) = &taken {
            self.decide(Ending::error(Reason::AgentFailed, why.clone()));
        }
        taken
    }

    async fn take(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let mut progress = self.progress.lock().await;
        if self.settled.load(Ordering::Relaxed) {
            return Err(SinkError::Unavailable("the job is over".into()));
        }
        let session = &progress.session;
        let before = (session.stdout_bytes, session.stderr_bytes);
        let batch = translate(reports, progress.clone(), self.measure, Timestamp::now())?;
        self.write_logs(before, batch.output).await?;
        let (after, waiting, events) = (batch.progress.clone(), batch.waiting, batch.events);
        let verdict = self
            .inner
            .change(self.job, Durability::Grouped, move |draft| {
                record(draft, after);
                if let Some(waiting) = waiting {
                    draft.state.waiting = waiting;
                }
                for (at, event) in events {
                    draft.append(at, event);
                }
                draft.state.session.verdict.clone()
            })
            .await
            .map_err(unavailable)?;
        *progress = batch.progress;
        if let Some(ending) = verdict {
            self.decide(ending);
        }
        Ok(progress.session.acked)
    }

    /// Written before they are recorded, at the recorded offset: what a crash leaves beyond it is
    /// overwritten by the repeat.
    async fn write_logs(&self, (out, err): (u64, u64), output: Output) -> Result<(), SinkError> {
        let writes: Vec<(PathBuf, u64, Vec<u8>)> =
            [(Stream::Stdout, out, output.stdout), (Stream::Stderr, err, output.stderr)]
                .into_iter()
                .filter(|(_, _, bytes)| !bytes.is_empty())
                .map(|(stream, at, bytes)| (self.inner.folders.log(self.job, stream), at, bytes))
                .collect();
        if writes.is_empty() {
            return Ok(());
        }
        let work = move || -> std::io::Result<()> {
            for (path, at, bytes) in writes {
                let file = File::options().create(true).truncate(false).write(true).open(path)?;
                file.write_all_at(&bytes, at)?;
            }
            Ok(())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(std::io::Error::other).flatten().map_err(unavailable)
    }
}

/// Takes over what was reported; what was not is not the agent's. What was decided first, by its
/// reports or by what it spent, stays.
fn record(draft: &mut Draft, Progress { session, result }: Progress) {
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
}

/// The sink as the gateway has it. What it began, it finishes, also when the agent's connection
/// breaks: a batch that was recorded must also count as taken.
#[derive(Debug)]
pub(crate) struct Door(pub(crate) Arc<JobSink>);

#[async_trait]
impl gateway::Sink for Door {
    async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        let sink = self.0.clone();
        tokio::spawn(async move { sink.hello(hello, new_key).await }).await.map_err(unavailable)?
    }

    async fn key_used(&self) -> Result<(), SinkError> {
        let sink = self.0.clone();
        tokio::spawn(async move { sink.key_used().await }).await.map_err(unavailable)?
    }

    async fn egress(&self, egress: Egress) -> Result<(), SinkError> {
        let sink = self.0.clone();
        tokio::spawn(async move { sink.egress(egress).await }).await.map_err(unavailable)?
    }

    /// The one that does not: a question that is taken back costs no more.
    async fn model(&self, question: ModelRequest) -> Result<ModelAnswer, SinkError> {
        self.0.clone().model(question).await
    }

    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let sink = self.0.clone();
        tokio::spawn(async move { sink.reports(reports).await }).await.map_err(unavailable)?
    }
}

fn unavailable(error: impl std::fmt::Display) -> SinkError {
    tracing::error!("could not keep an agent's report: {error}");
    SinkError::Unavailable("the report could not be kept; try again".into())
}
