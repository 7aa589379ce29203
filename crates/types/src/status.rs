use serde::{Deserialize, Serialize};

/// Where a job is in its life. The words are fixed by the API.
///
/// ```text
/// scheduled ──► starting ──► running ──► packaging ──► complete
///     │             │                     ▲        ├──► error
///     └─────────────┴─────────────────────┘        └──► cancelled
/// ```
///
/// Every job is packaged, also one that failed or was cancelled before it had a sandbox: its ZIP
/// then holds the manifest, the runbook and what there was of files and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Accepted and durable, waiting for a slot.
    Scheduled,
    /// Its sandbox is being made.
    Starting,
    /// Its agent is connected and works.
    Running,
    /// The work is over; the result is being packed.
    Packaging,
    /// Everything it was asked to do succeeded.
    Complete,
    /// It failed; `reason` says how.
    Error,
    /// Somebody stopped it.
    Cancelled,
}

impl JobStatus {
    /// Whether nothing will happen to the job any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Cancelled)
    }

    /// The word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Packaging => "packaging",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a job ended, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Reason {
    /// Every step succeeded.
    #[serde(rename = "finished")]
    Finished,
    /// A step ended with an exit code it should not have.
    #[serde(rename = "step_failed")]
    StepFailed,
    /// A step ran longer than its own `timeout=`.
    #[serde(rename = "step_timeout")]
    StepTimeout,
    /// Somebody cancelled the job.
    #[serde(rename = "cancelled")]
    Cancelled,
    /// The job ran longer than its wall time.
    #[serde(rename = "limit:wall")]
    LimitWall,
    /// The kernel killed a process of the job for want of memory and the job failed.
    #[serde(rename = "limit:memory")]
    LimitMemory,
    /// The job wrote more to stdout and stderr than it may.
    #[serde(rename = "limit:output")]
    LimitOutput,
    /// The job filled its workspace and failed.
    #[serde(rename = "limit:disk")]
    LimitDisk,
    /// The agent began as many steps as it may.
    #[serde(rename = "limit:steps")]
    LimitSteps,
    /// Models were called as often as they may be.
    #[serde(rename = "limit:model_calls")]
    LimitModelCalls,
    /// Models read and wrote as many tokens as they may.
    #[serde(rename = "limit:model_tokens")]
    LimitModelTokens,
    /// The calls of models cost as much as they may.
    #[serde(rename = "limit:cost")]
    LimitCost,
    /// The agent said that it was done, and a check it had declared failed in the end.
    #[serde(rename = "checks_failed")]
    ChecksFailed,
    /// The agent went in circles.
    #[serde(rename = "stuck")]
    Stuck,
    /// No model answered: every provider was down, limited, or refused us.
    #[serde(rename = "model_unavailable")]
    ModelUnavailable,
    /// The model does not want to do this.
    #[serde(rename = "model_refused")]
    ModelRefused,
    /// The model's answers could not be understood, several times running.
    #[serde(rename = "model_confused")]
    ModelConfused,
    /// A person rejected a step of a runbook.
    #[serde(rename = "rejected")]
    Rejected,
    /// The sandbox could not be made.
    #[serde(rename = "sandbox_failed")]
    SandboxFailed,
    /// The sandbox ended before the agent reported a result.
    #[serde(rename = "sandbox_lost")]
    SandboxLost,
    /// The agent said something the protocol does not allow.
    #[serde(rename = "agent_failed")]
    AgentFailed,
    /// The work was done, its result could not be packed.
    #[serde(rename = "packaging_failed")]
    PackagingFailed,
    /// The orchestrator was interrupted and could not pick the job up again.
    #[serde(rename = "interrupted")]
    Interrupted,
}

/// The word the API uses.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ending {
    /// `complete`, `error` or `cancelled`.
    pub status: JobStatus,
    /// Why, for programs.
    pub reason: Reason,
    /// Exit code of the step that decided, where one did.
    pub exit_code: Option<i32>,
    /// Why, for people; null for `complete`.
    pub error: Option<String>,
}

impl Ending {
    /// Every step succeeded.
    #[must_use]
    pub fn complete() -> Self {
        Self {
            status: JobStatus::Complete,
            reason: Reason::Finished,
            exit_code: Some(0),
            error: None,
        }
    }

    /// The job failed.
    #[must_use]
    pub fn error(reason: Reason, error: impl Into<String>) -> Self {
        Self { status: JobStatus::Error, reason, exit_code: None, error: Some(error.into()) }
    }

    /// Somebody stopped the job.
    #[must_use]
    pub fn cancelled() -> Self {
        Self {
            status: JobStatus::Cancelled,
            reason: Reason::Cancelled,
            exit_code: None,
            error: Some("cancelled".into()),
        }
    }

    /// The same ending with the exit code that decided it.
    #[must_use]
    pub fn with_exit_code(self, exit_code: i32) -> Self {
        Self { exit_code: Some(exit_code), ..self }
    }
}
