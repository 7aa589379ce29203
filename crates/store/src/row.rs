//! How a job lies in its row.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Row;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::{
    Ending, JobId, JobRecord, JobResult, JobSpec, JobStatus, JobSummary, SandboxReport, Usage, Usd,
    Waiting,
};

use crate::StoreError;

/// What of a job changes in its life.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// When it was accepted; a change of it is not kept.
    pub created: Timestamp,
    /// Where it is in its life.
    pub status: JobStatus,
    /// When its sandbox began to be made.
    pub started: Option<Timestamp>,
    /// When it reached its end.
    pub completed: Option<Timestamp>,
    /// How it ended, or will end once it is packaged.
    pub ending: Option<Ending>,
    /// Whether somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// How its sandbox is protected.
    pub sandbox: Option<SandboxReport>,
    /// What it used.
    pub usage: Option<Usage>,
    /// What its agent made.
    pub result: Option<JobResult>,
    /// What it waits for a person to do.
    pub waiting: Option<Waiting>,
    /// Size of its ZIP in bytes.
    pub zip_bytes: Option<u64>,
    /// The `seq` of its newest event; set by the store, not by a change.
    pub last_seq: u64,
    /// Whether it is over and its workspace waits for somebody who resumes it.
    pub kept: bool,
    /// What is between its agent and us.
    pub session: Session,
}

impl JobState {
    /// A job that was just accepted.
    #[must_use]
    pub fn new(created: Timestamp) -> Self {
        Self {
            created,
            status: JobStatus::Scheduled,
            started: None,
            completed: None,
            ending: None,
            cancel_requested: false,
            sandbox: None,
            usage: None,
            result: None,
            waiting: None,
            zip_bytes: None,
            last_seq: 0,
            kept: false,
            session: Session::default(),
        }
    }

    /// A time as far as this job is concerned: a clock that was set back does not turn it around.
    #[must_use]
    pub fn not_before(&self, time: Timestamp) -> Timestamp {
        time.max(self.created).max(self.started.unwrap_or(self.created))
    }

    /// Leaves of an ended job's session how long its logs are and, if its workspace is kept, its
    /// checkpoint.
    pub fn retire(&mut self, kept: bool) {
        let Session { checkpoint, stdout_bytes, stderr_bytes, .. } =
            std::mem::take(&mut self.session);
        let checkpoint = checkpoint.filter(|_| kept);
        self.kept = kept;
        self.session = Session { checkpoint, stdout_bytes, stderr_bytes, ..Session::default() };
    }
}

/// What the orchestrator must remember of an agent's session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// SHA-256 of the session key.
    pub key_hash: Option<[u8; 32]>,
    /// Whether the agent has used its key; from then on nobody gets in without.
    pub key_used: bool,
    /// The highest report number that is recorded.
    pub acked: u64,
    /// The newest checkpoint of the flow.
    pub checkpoint: Option<serde_json::Value>,
    /// The step that was started and whose end was not reported.
    pub open_step: Option<u32>,
    /// How the job ends, as the agent's reports decided it.
    pub verdict: Option<Ending>,
    /// How much of the stdout log is recorded, in bytes.
    pub stdout_bytes: u64,
    /// How much of the stderr log is recorded, in bytes.
    pub stderr_bytes: u64,
    /// What the job sent through its proxy, in bytes.
    pub sent_bytes: u64,
    /// What the job received through its proxy, in bytes.
    pub received_bytes: u64,
    /// What was spent on models and steps.
    pub spend: Spend,
}

/// What a job's agent has spent of its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spend {
    /// Steps it began.
    pub steps: u32,
    /// Calls of models, those that failed and the one under way included.
    pub model_calls: u32,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// What the calls cost, as far as prices are set.
    pub cost: Option<Usd>,
    /// What calls under way may come to at most.
    pub reserved: Reserved,
}

/// What calls of models may come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models write.
    pub output_tokens: u64,
    /// What that costs, as far as prices are set.
    pub cost: Usd,
}

/// The columns of [`state`], in its order.
pub(crate) const STATE: &str = "created, status, started, completed, ending, cancel_requested, sandbox, \
     usage, zip_bytes, last_seq, key_hash, key_used, acked, checkpoint, open_step, stdout_bytes, \
     stderr_bytes, sent_bytes, received_bytes, verdict, result, waiting, spend, kept";

pub(crate) fn state(job: &str, row: &Row<'_>) -> Result<JobState, StoreError> {
    let column = StoreError::sqlite("read a job");
    Ok(JobState {
        created: time(row, "created")?.unwrap_or_default(),
        status: word(job, "status", &row.get::<_, String>("status").map_err(&column)?)?,
        started: time(row, "started")?,
        completed: time(row, "completed")?,
        ending: json(job, "ending", row)?,
        cancel_requested: row.get("cancel_requested").map_err(&column)?,
        sandbox: json(job, "sandbox", row)?,
        usage: json(job, "usage", row)?,
        result: json(job, "result", row)?,
        waiting: json(job, "waiting", row)?,
        zip_bytes: row.get("zip_bytes").map_err(&column)?,
        last_seq: row.get("last_seq").map_err(&column)?,
        kept: row.get("kept").map_err(&column)?,
        session: Session {
            key_hash: row.get("key_hash").map_err(&column)?,
            key_used: row.get("key_used").map_err(&column)?,
            acked: row.get("acked").map_err(&column)?,
            checkpoint: json(job, "checkpoint", row)?,
            open_step: row.get("open_step").map_err(&column)?,
            verdict: json(job, "verdict", row)?,
            stdout_bytes: row.get("stdout_bytes").map_err(&column)?,
            stderr_bytes: row.get("stderr_bytes").map_err(&column)?,
            sent_bytes: row.get("sent_bytes").map_err(&column)?,
            received_bytes: row.get("received_bytes").map_err(&column)?,
            spend: json(job, "spend", row)?.unwrap_or_default(),
        },
    })
}

pub(crate) fn record(id: JobId, row: &Row<'_>) -> Result<JobRecord, StoreError> {
    let column = StoreError::sqlite("read a job");
    let name = id.to_string();
    let state = state(&name, row)?;
    let spec: String = row.get("spec").map_err(&column)?;
    let spec = JobSpec {
        prompt: row.get("prompt").map_err(&column)?,
        ..serde_json::from_str(&spec).map_err(damaged(&name, "spec"))?
    };
    Ok(JobRecord {
        id,
        spec,
        created: state.created,
        status: state.status,
        started: state.started,
        completed: state.completed,
        ending: state.ending,
        cancel_requested: state.cancel_requested,
        sandbox: state.sandbox,
        usage: state.usage,
        result: state.result,
        waiting: state.waiting,
        zip_bytes: state.zip_bytes,
        last_seq: state.last_seq,
        kept: state.kept,
    })
}

/// The columns of [`summary`].
pub(crate) const SUMMARY: &str = "id, title, status, created, started, completed, ending, waiting";

pub(crate) fn summary(row: &Row<'_>) -> Result<JobSummary, StoreError> {
    let column = StoreError::sqlite("read a job");
    let name: String = row.get("id").map_err(&column)?;
    Ok(JobSummary {
        id: id(&name)?,
        title: row.get("title").map_err(&column)?,
        status: word(&name, "status", &row.get::<_, String>("status").map_err(&column)?)?,
        created: time(row, "created")?.unwrap_or_default(),
        started: time(row, "started")?,
        completed: time(row, "completed")?,
        ending: json(&name, "ending", row)?,
        waiting: json(&name, "waiting", row)?,
    })
}

pub(crate) fn id(text: &str) -> Result<JobId, StoreError> {
    serde_json::from_value(text.into()).map_err(damaged(text, "id"))
}

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(crate) fn to_json<T: Serialize>(job: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(damaged(job, "a value"))
}

pub(crate) fn optional_json<T: Serialize>(
    job: &str,
    value: Option<&T>,
) -> Result<Option<String>, StoreError> {
    value.map(|value| to_json(job, value)).transpose()
}

pub(crate) fn damaged<'a>(
    job: &'a str,
    what: &'static str,
) -> impl Fn(serde_json::Error) -> StoreError + 'a {
    move |source| StoreError::Damaged { job: job.into(), what, source: Arc::new(source) }
}

pub(crate) fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

fn time(row: &Row<'_>, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.get(column).map_err(StoreError::sqlite("read a time"))?;
    Ok(micros.map(from_micros))
}

fn json<T: DeserializeOwned>(
    job: &str,
    column: &'static str,
    row: &Row<'_>,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.get(column).map_err(StoreError::sqlite("read a column"))?;
    text.map(|text| serde_json::from_str(&text).map_err(damaged(job, column))).transpose()
}

/// A status as its bare word.
pub(crate) fn word(job: &str, what: &'static str, text: &str) -> Result<JobStatus, StoreError> {
    serde_json::from_value(text.into()).map_err(damaged(job, what))
}
