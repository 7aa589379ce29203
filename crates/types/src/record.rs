use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Ending, JobId, JobResult, JobSpec, JobStatus, SandboxReport, Usd, Waiting};

/// Everything known of a job but its events and its bulk output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// What it was asked to do.
    pub spec: JobSpec,
    /// Where it is in its life.
    pub status: JobStatus,
    /// When it was accepted.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = "date-time"))]
    pub created: Timestamp,
    /// When its sandbox began to be made.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = "date-time"))]
    pub started: Option<Timestamp>,
    /// When it reached its end.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = "date-time"))]
    pub completed: Option<Timestamp>,
    /// How it ended, or will end once it is packaged; null before that.
    pub ending: Option<Ending>,
    /// Whether somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// How its sandbox is protected; null until there is one.
    pub sandbox: Option<SandboxReport>,
    /// What it used; null until its sandbox is gone.
    pub usage: Option<Usage>,
    /// What its agent made; null for a runbook, and until the agent is done.
    pub result: Option<JobResult>,
    /// What it waits for a person to do; null if it does not wait.
    pub waiting: Option<Waiting>,
    /// Size of its ZIP in bytes; null until there is one.
    pub zip_bytes: Option<u64>,
    /// The `seq` of its newest event.
    pub last_seq: u64,
    /// Whether its workspace waits for somebody who resumes it.
    #[serde(default)]
    pub kept: bool,
}

/// One line of the list of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// What it is about, in one line, for people.
    pub title: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its sandbox began to be made.
    pub started: Option<Timestamp>,
    /// When it reached its end.
    pub completed: Option<Timestamp>,
    /// How it ended, or will end once it is packaged; null before that.
    pub ending: Option<Ending>,
    /// What it waits for a person to do; null if it does not wait.
    pub waiting: Option<Waiting>,
}

/// What a sandbox used, where the platform can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Processor time in milliseconds.
    pub cpu_ms: Option<u64>,
    /// The memory it holds now, in bytes; not of one that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Its processes and threads now; not of one that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// The most memory it held at one time, in bytes.
    pub memory_peak_bytes: Option<u64>,
    /// How often the kernel killed one of its processes for want of memory.
    pub oom_kills: Option<u64>,
    /// How long its processes were held back by `limits.cpus`, in milliseconds, summed up.
    #[serde(default)]
    pub cpu_throttled_ms: Option<u64>,
    /// The most processes and threads at one time.
    #[serde(default)]
    pub processes_peak: Option<u64>,
    /// How often a new process was refused because of `limits.processes`.
    #[serde(default)]
    pub processes_refused: Option<u64>,
    /// What its workspace held at the end, in bytes of disk.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
    /// What it wrote to stdout and stderr, in bytes.
    #[serde(default)]
    pub output_bytes: Option<u64>,
    /// What it sent through its proxy, in bytes.
    #[serde(default)]
    pub egress_sent_bytes: Option<u64>,
    /// What it received through its proxy, in bytes.
    #[serde(default)]
    pub egress_received_bytes: Option<u64>,
    /// Calls of models, those that failed included.
    #[serde(default)]
    pub model_calls: Option<u64>,
    /// Tokens that models read.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Tokens that models wrote.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// What the calls cost, as far as prices are set.
    #[serde(default)]
    pub cost_usd: Option<Usd>,
}
