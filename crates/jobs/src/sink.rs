//! Where an agent's reports go: into the job's events and its log files, each once.
//!
//! Not here: who brings them, and what becomes of it when their connection breaks ([`crate::door`]).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::SinkError;
use protocol::{AgentSpec, Hello, Report, ReportKind};
use store::{Draft, Durability};
use tokio::sync::{Mutex, watch};
use types::{Egress, Ending, EventKind, JobId, JobStatus, Reason, SandboxReport, Stream};

use crate::ask::Asking;
use crate::bound;
use crate::intake::{Intake, Record};
use crate::lifecycle::{self, Input};
use crate::service::Inner;
use crate::translate::{Measure, Output, Progress};

/// One job's sink.
#[derive(Debug)]
pub(crate) struct JobSink {
    pub(crate) inner: Arc<Inner>,
    pub(crate) job: JobId,
    /// Whom its agent asks; none for a runbook.
    pub(crate) asking: Option<Asking>,
    spec: AgentSpec,
    sandbox: SandboxReport,
    intake: Intake,
    /// How the agent says its work went, or which limit its reports broke. The first one stays.
    verdict: watch::Sender<Option<Ending>>,
    connected: watch::Sender<bool>,
    /// Whether it said hello last, and that could not be recorded.
    unheard: AtomicBool,
    pub(crate) greeting: Arc<Mutex<()>>,
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
            verdict: watch::Sender::new(session.verdict.clone()),
            // An agent that used its key once will come back by itself.
            connected: watch::Sender::new(session.key_used),
            unheard: AtomicBool::new(false),
            greeting: Arc::default(),
            intake: Intake::new(measure, progress),
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

    /// Whether the agent has said hello since somebody asked last, and there was no way to record it.
    pub(crate) fn was_unheard(&self) -> bool {
        self.unheard.swap(false, Ordering::Relaxed)
    }

    /// Decides how the job ends, if nobody did before.
    pub(crate) fn decide(&self, ending: Ending) {
        self.verdict.send_if_modified(|verdict| {
            let first = verdict.is_none();
            verdict.get_or_insert(ending);
            first
        });
    }

    /// Waits until the batch that is being taken is recorded; nothing is taken after it.
    pub(crate) async fn settle(&self) {
        self.intake.settle().await;
    }

    pub(crate) async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError> {
        let recorded = self.record_hello(hello, new_key).await;
        let unheard = matches!(recorded, Err(SinkError::Unavailable(_)));
        self.unheard.store(unheard, Ordering::Relaxed);
        recorded?;
        self.connected.send_replace(true);
        self.inner.release_inputs(self.job);
        Ok((self.spec.clone(), self.intake.acked().await))
    }

    async fn record_hello(&self, hello: Hello, new_key: Option<[u8; 32]>) -> Result<(), SinkError> {
        self.may_tell()?;
        let agent = bound::text(hello.agent_version);
        let input = Input::Connected { agent, sandbox: self.sandbox.clone() };
        let change = move |draft: &mut Draft| greet(draft, input, new_key);
        // On the disk: from here on the job is never started again.
        self.inner.change(self.job, Durability::Full, change).await.map_err(unavailable)?
    }

    pub(crate) async fn key_used(&self, key: [u8; 32]) -> Result<(), SinkError> {
        let change = move |draft: &mut Draft| use_key(draft, key);
        self.inner.change(self.job, Durability::Grouped, change).await.map_err(unavailable)
    }

    pub(crate) async fn egress(&self, egress: Egress) -> Result<(), SinkError> {
        self.may_tell()?;
        let closed = egress.clone();
        let change = move |draft: &mut Draft| note_egress(draft, egress);
        self.inner.change(self.job, Durability::Grouped, change).await.map_err(unavailable)??;
        self.inner.metrics.connection_closed(&closed);
        Ok(())
    }

    pub(crate) async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let taken = self.take(reports).await;
        if let Err(SinkError::Refused(why)) = &taken {
            self.decide(Ending::error(Reason::AgentFailed, why.clone()));
        }
        taken
    }

    async fn take(&self, reports: Vec<Report>) -> Result<u64, SinkError> {
        let is_last = reports.iter().any(|report| matches!(report.report, ReportKind::Finished(_)));
        if !is_last {
            self.may_tell()?;
        }
        let write = |before, output| self.write_logs(before, output);
        let record = async |record: Record| {
            let change = || {
                let record = record.clone();
                let change = move |draft: &mut Draft| record.apply(draft);
                self.inner.change(self.job, Durability::Grouped, change)
            };
            let kept = match is_last {
                true => self.inner.soon(self.job, change).await,
                false => change().await,
            };
            kept.map_err(unavailable)
        };
        let count = reports.len() as u64;
        let (acked, verdict) = self.intake.take(reports, write, record).await?;
        self.inner.metrics.reports.inc_by(count);
        if let Some(ending) = verdict {
            self.decide(ending);
        }
        Ok(acked)
    }

    /// What may wait takes nothing of the room that is held for what may not. The log has it once:
    /// when some of that was given up.
    fn may_tell(&self) -> Result<(), SinkError> {
        let room = self.inner.ballast.check(&self.inner.folders.store());
        room.map_err(|full| SinkError::Unavailable(full.to_string()))
    }

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

/// Its agent said hello, and is about to get this key if it had none. One that is used stays: a
/// hello without it is one that the agent gave up before it got that key.
pub(crate) fn greet(
    draft: &mut Draft,
    connected: Input,
    new_key: Option<[u8; 32]>,
) -> Result<(), SinkError> {
    let session = &mut draft.state.session;
    if new_key.is_some() {
        if session.key_used {
            return Err(SinkError::Refused("the session key is in use".into()));
        }
        session.key_hash = new_key;
    }
    lifecycle::apply_to(draft, connected).map_err(|e| SinkError::Refused(e.to_string()))
}

/// Its agent has this key, whichever was given last: the answer to a later hello may have been lost.
pub(crate) fn use_key(draft: &mut Draft, key: [u8; 32]) {
    let session = &mut draft.state.session;
    (session.key_hash, session.key_used) = (Some(key), true);
}

/// A connection is over. What is told too late for the result must not be in the log either.
pub(crate) fn note_egress(draft: &mut Draft, egress: Egress) -> Result<(), SinkError> {
    if draft.state.status != JobStatus::Running {
        return Err(SinkError::Refused(format!("the job is {}", draft.state.status)));
    }
    let session = &mut draft.state.session;
    session.sent_bytes = session.sent_bytes.saturating_add(egress.sent_bytes);
    session.received_bytes = session.received_bytes.saturating_add(egress.received_bytes);
    draft.append(draft.now, EventKind::Egress { egress });
    Ok(())
}

pub(crate) fn unavailable(error: impl std::fmt::Display) -> SinkError {
    tracing::error!("could not keep an agent's report: {error}");
    SinkError::Unavailable("the report could not be kept; try again".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use store::JobState;
    use types::Isolation;

    use super::*;
    use crate::bed::{self, Bed};

    fn hello(draft: &mut Draft, key: u8) -> Result<(), SinkError> {
        let (engine, isolation, shortfalls) = ("fake".into(), Isolation::None, vec![]);
        let sandbox = SandboxReport { engine, isolation, shortfalls };
        greet(draft, Input::Connected { agent: "1".into(), sandbox }, Some([key; 32]))
    }

    /// Whichever was given last.
    #[test]
    fn a_key_that_was_used_stays() {
        let mut draft = Draft::new(JobState::new(Timestamp::UNIX_EPOCH));
        hello(&mut draft, 1).unwrap();
        hello(&mut draft, 2).unwrap();
        use_key(&mut draft, [1; 32]);
        hello(&mut draft, 3).unwrap_err();
        let session = draft.state.session;
        assert_eq!((session.key_hash, session.key_used), (Some([1; 32]), true));
    }

    /// However late the gateway comes with it.
    #[tokio::test]
    async fn nothing_is_told_of_a_job_that_is_over() {
        let bed = Bed::new().await;
        let job = bed.sink.job;
        bed.jobs.cancel(job).await.unwrap();
        let record = bed.jobs.wait_until_over(job, Duration::from_secs(30)).await.unwrap();
        assert_eq!(record.status, JobStatus::Cancelled);
        let told = bed.sink.egress(bed::egress()).await;
        assert!(matches!(told, Err(SinkError::Refused(_))), "{told:?}");
        assert_eq!(bed.state().await.last_seq, record.last_seq);
    }
}
