//! What an agent's reports become: events of the job and bytes in its log files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gateway::SinkError;
use jiff::Timestamp;
use protocol::{AgentSpec, Hello, Report, ReportKind, Verdict};
use store::{Durability, Session};
use tokio::sync::{Mutex, watch};
use types::{Ending, EventKind, JobId, Reason, SandboxReport, Stream};

use crate::lifecycle::{self, Input};
use crate::service::Inner;

/// The longest text of a title, a name or an error that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// One job's sink. A batch is handled whole before the next one.
#[derive(Debug)]
pub(crate) struct JobSink {
    inner: Arc<Inner>,
    job: JobId,
    spec: AgentSpec,
    sandbox: SandboxReport,
    output_limit: u64,
    /// How the agent says its work went, or which limit its reports broke. The first one stays.
    verdict: watch::Sender<Option<Ending>>,
    connected: watch::Sender<bool>,
    progress: Mutex<Session>,
}

impl JobSink {
    pub(crate) fn new(
        inner: Arc<Inner>,
        spec: AgentSpec,
        sandbox: SandboxReport,
        output_limit: u64,
        session: Session,
    ) -> Self {
        Self {
            inner,
            job: spec.job,
            spec,
            sandbox,
            output_limit,
            verdict: watch::Sender::new(None),
            // An agent that used its key once will come back by itself.
            connected: watch::Sender::new(session.key_used),
            progress: Mutex::new(session),
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

    fn decide(&self, ending: Ending) {
        self.verdict.send_if_modified(|verdict| {
            let first = verdict.is_none();
            verdict.get_or_insert(ending);
            first
        });
    }

    async fn take(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let mut progress = self.progress.lock().await;
        let before = (progress.stdout_bytes, progress.stderr_bytes);
        let batch = translate(reports, progress.clone(), self.output_limit, Timestamp::now())?;
        self.write_logs(before, batch.output).await?;
        let (session, events) = (batch.session.clone(), batch.events);
        self.inner
            .change(self.job, Durability::Grouped, move |draft| {
                // The key's part is not ours.
                let Session { key_hash, key_used, .. } = draft.state.session;
                draft.state.session = Session { key_hash, key_used, ..session };
                for (at, event) in events {
                    draft.append(at, event);
                }
            })
            .await
            .map_err(unavailable)?;
        *progress = batch.session;
        if let Some(ending) = batch.ending {
            self.decide(ending);
        }
        Ok(progress.acked)
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

#[async_trait]
impl gateway::Sink for JobSink {
    async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        let input =
            Input::Connected { agent: cut(hello.agent_version), sandbox: self.sandbox.clone() };
        let applied = self
            .inner
            .change(self.job, Durability::Grouped, move |draft| {
                if new_key.is_some() {
                    draft.state.session.key_hash = new_key;
                }
                lifecycle::apply_to(draft, input)
            })
            .await
            .map_err(unavailable)?;
        applied.map_err(|e| SinkError::Refused(e.to_string()))?;
        self.connected.send_replace(true);
        Ok((self.spec.clone(), self.progress.lock().await.acked))
    }

    async fn key_used(&self) -> Result<(), SinkError> {
        let change = |draft: &mut store::Draft| draft.state.session.key_used = true;
        self.inner.change(self.job, Durability::Grouped, change).await.map_err(unavailable)
    }

    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let taken = self.take(reports).await;
        if let Err(SinkError::Refused(why)) = &taken {
            self.decide(Ending::error(Reason::AgentFailed, why.clone()));
        }
        taken
    }
}

/// What a batch of reports comes to. Pure, so that hostile batches can be tried without a sandbox.
#[derive(Debug)]
struct Batch {
    session: Session,
    events: Vec<(Timestamp, EventKind)>,
    output: Output,
    ending: Option<Ending>,
}

#[derive(Debug, Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn translate(
    reports: Vec<Report>,
    session: Session,
    output_limit: u64,
    now: Timestamp,
) -> Result<Batch, SinkError> {
    let mut batch = Batch { session, events: vec![], output: Output::default(), ending: None };
    for report in reports {
        if report.n <= batch.session.acked {
            continue;
        }
        if report.n != batch.session.acked + 1 {
            let expected = batch.session.acked + 1;
            let text = format!("report {} came where {expected} was expected", report.n);
            return Err(SinkError::Refused(text));
        }
        batch.session.acked = report.n;
        // A sandbox's clock may not run ahead of ours.
        batch.add(report.at.min(now), report.report, output_limit);
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, at: Timestamp, report: ReportKind, output_limit: u64) {
        let event = match report {
            ReportKind::NodeStarted { node, attempt } => {
                EventKind::NodeStarted { node: cut(node), attempt }
            }
            ReportKind::NodeFinished { node, action, error, millis } => EventKind::NodeFinished {
                node: cut(node),
                action: action.map(cut),
                error: error.map(cut),
                millis,
            },
            ReportKind::StepStarted { step, kind, title, line } => {
                self.session.open_step = Some(step);
                EventKind::StepStarted { step, kind, title: cut(title), line }
            }
            ReportKind::StepFinished { step, outcome, exit_code, millis } => {
                self.session.open_step = None;
                EventKind::StepFinished { step, outcome, exit_code, millis }
            }
            ReportKind::Notice { level, text } => EventKind::Notice { level, text: cut(text) },
            ReportKind::Output { step, stream, data } => {
                return self.output(at, step, stream, data.0, output_limit);
            }
            ReportKind::Checkpoint(checkpoint) => {
                self.session.checkpoint = serde_json::to_value(checkpoint).ok();
                return;
            }
            ReportKind::Finished(verdict) => {
                self.ending.get_or_insert(ending(verdict));
                return;
            }
        };
        self.events.push((at, event));
    }

    fn output(&mut self, at: Timestamp, step: u32, stream: Stream, mut data: Vec<u8>, limit: u64) {
        let written = self.session.stdout_bytes + self.session.stderr_bytes;
        let room = limit.saturating_sub(written);
        if data.len() as u64 > room {
            data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let text = format!("the job wrote more than {limit} bytes of output; the rest is lost");
            self.ending.get_or_insert(Ending::error(Reason::LimitOutput, text));
        }
        if data.is_empty() {
            return;
        }
        let bytes = data.len() as u64;
        let (position, sink) = match stream {
            Stream::Stdout => (&mut self.session.stdout_bytes, &mut self.output.stdout),
            Stream::Stderr => (&mut self.session.stderr_bytes, &mut self.output.stderr),
        };
        let offset = *position;
        *position += bytes;
        sink.extend_from_slice(&data);
        self.events.push((at, EventKind::Output { step, stream, offset, bytes, text: None }));
    }
}

fn ending(verdict: Verdict) -> Ending {
    match verdict {
        Verdict::Complete => Ending::complete(),
        Verdict::Cancelled => Ending::cancelled(),
        Verdict::StepFailed { exit_code, error, .. } => {
            Ending::error(Reason::StepFailed, cut(error)).with_exit_code(exit_code)
        }
        Verdict::StepTimeout { error, .. } => Ending::error(Reason::StepTimeout, cut(error)),
        Verdict::Failed { error } => Ending::error(Reason::AgentFailed, cut(error)),
    }
}

/// Bounds what a hostile agent can make us keep.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
    }
    text
}

fn unavailable(error: impl std::fmt::Display) -> SinkError {
    tracing::error!("could not keep an agent's report: {error}");
    SinkError::Unavailable("the report could not be kept; try again".into())
}
