use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Ending, JobResult, Mode, ModelCall, Plan, SandboxReport, Speaker, Waiting};

/// One line of a job's append-only log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Event {
    /// 1, 2, 3 … without gaps, per job.
    pub seq: u64,
    /// When it happened.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = "date-time"))]
    pub at: Timestamp,
    /// What happened.
    pub event: EventKind,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The job was accepted.
    Scheduled {
        /// How its prompt is taken.
        mode: Mode,
    },
    /// A slot was free; the sandbox is being made.
    Starting,
    /// The agent is connected.
    Running {
        /// agentd's version.
        agent: String,
        /// How the sandbox is protected.
        sandbox: SandboxReport,
    },
    /// A node of the flow begins.
    NodeStarted {
        /// Its name.
        node: String,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A node of the flow is done.
    NodeFinished {
        /// Its name.
        node: String,
        /// The action it decided on, or null if it failed.
        action: Option<String>,
        /// The error of a failed try.
        error: Option<String>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A step begins.
    StepStarted {
        /// 1, 2, 3 … within the job.
        step: u32,
        /// What kind of step.
        kind: StepKind,
        /// What it is about, for people.
        title: String,
        /// Line of the runbook on which its block begins, from 1; 0 where there is none.
        line: u32,
        /// What it runs, or the whole content of the file it writes; null for a step of a runbook,
        /// and where there is no text to tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A step wrote something; the bytes are in the job's log file at this offset.
    Output {
        /// The step that wrote it.
        step: u32,
        /// Where to.
        stream: Stream,
        /// Offset in that stream's log file.
        offset: u64,
        /// How many bytes.
        bytes: u64,
        /// The bytes as text, lossily; filled in for people who watch, never stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A step is done.
    StepFinished {
        /// Which one.
        step: u32,
        /// How it went.
        outcome: StepOutcome,
        /// Its exit code; 128 + n if signal n killed it.
        exit_code: Option<i32>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// Something worth knowing that is no step.
    Notice {
        /// How serious.
        level: NoticeLevel,
        /// What, for people.
        text: String,
    },
    /// A connection through the sandbox's proxy is over, or was refused.
    Egress {
        /// Which, and what became of it.
        #[serde(flatten)]
        egress: Egress,
    },
    /// A model was called.
    ModelCall {
        /// Which, and what it took.
        #[serde(flatten)]
        call: ModelCall,
    },
    /// Somebody said something in the job's conversation.
    Said {
        /// Who.
        by: Speaker,
        /// What.
        text: String,
    },
    /// What the agent means to do; replaces the plan before it.
    Plan {
        /// The whole plan.
        plan: Plan,
    },
    /// The job waits for a person.
    Waiting {
        /// What for.
        waiting: Waiting,
    },
    /// A person decided about a step that waited.
    Decided {
        /// Its number.
        step: u32,
        /// Whether it may be run.
        approved: bool,
        /// Why not, in their words.
        reason: Option<String>,
    },
    /// A person took the control of the desktop, or gave it back.
    Desktop {
        /// Whether a person has it now: the agent keeps its hands off.
        taken: bool,
    },
    /// What the agent made.
    Result {
        /// It.
        result: JobResult,
    },
    /// What its sandbox uses, looked at every second at first and then ever less often.
    Usage {
        /// It.
        #[serde(flatten)]
        usage: UsageSample,
    },
    /// Somebody asked for the job to be cancelled.
    CancelRequested,
    /// The work is over; the result is being packed.
    Packaging,
    /// The ZIP is there.
    Packaged {
        /// Files in it, without `.cagent/`.
        files: u64,
        /// Its size in bytes.
        bytes: u64,
        /// Entries of the workspace that were left out; the manifest says why.
        left_out: u64,
    },
    /// The job is over; always the last event.
    Ended {
        /// How.
        #[serde(flatten)]
        ending: Ending,
    },
}

/// What a sandbox uses at one moment, where the platform can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsageSample {
    /// Processor time so far, in milliseconds.
    pub cpu_millis: Option<u64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// What its workspace holds, in bytes of disk.
    pub disk_bytes: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// What kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A block run by `bash`.
    Bash,
    /// A block run by `sh`.
    Sh,
    /// A block run by `python3`.
    Python,
    /// A TypeScript block.
    #[serde(rename = "typescript")]
    TypeScript,
    /// A JavaScript block.
    #[serde(rename = "javascript")]
    JavaScript,
    /// A file written, or changed: then the event has the whole new content.
    File,
    /// Something looked at: a file, a picture.
    Read,
    /// A process that goes on beside the steps after it.
    Background,
    /// Input or a signal for such a process, or a look at what it wrote.
    Process,
    /// A look at the desktop, or input for it.
    Desktop,
}

impl StepKind {
    /// The word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "python",
            Self::TypeScript => "typescript",
            Self::JavaScript => "javascript",
            Self::File => "file",
            Self::Read => "read",
            Self::Background => "background",
            Self::Process => "process",
            Self::Desktop => "desktop",
        }
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It ended as it should.
    Ok,
    /// It failed.
    Failed,
    /// It failed and was marked `continue-on-error`.
    Tolerated,
    /// It ran longer than its `timeout=` and was stopped.
    TimedOut,
    /// It was stopped because the job was cancelled.
    Cancelled,
    /// A person rejected it; it was not run.
    Rejected,
    /// Nobody knows how it ended: the agent was killed before it could report.
    Interrupted,
}

/// Which of a step's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A connection a job asked its proxy for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Egress {
    /// The host, as the job named it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What became of it.
    pub verdict: EgressVerdict,
    /// Why it was refused or failed, for people; null if it was made.
    pub why: Option<String>,
    /// Bytes the job sent.
    pub sent_bytes: u64,
    /// Bytes the job received.
    pub received_bytes: u64,
    /// How long it was open, in milliseconds.
    pub millis: u64,
    /// How many there were: the same refusals within a short time are told once.
    pub count: u64,
}

/// What became of a connection a job asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EgressVerdict {
    /// It was made.
    Allowed,
    /// The job's network does not allow it.
    Refused,
    /// It was allowed, and the host could not be found or reached.
    Failed,
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Something is not as it should be.
    Warning,
}
