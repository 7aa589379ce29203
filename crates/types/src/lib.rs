//! The words every other crate speaks: ids, specs, limits, statuses, events, model turns.
//!
//! Invariant: no I/O, no clock, no randomness beyond [`JobId::generate`]. Everything here is plain
//! data that can be written to the store, sent over the gateway and shown in the API.

mod access;
pub mod delivery;
mod event;
mod id;
mod image;
mod limits;
mod model;
mod network;
mod record;
mod result;
mod sandbox;
mod spec;
mod status;

pub use access::{ApiKey, Scope};
pub use event::{
    Egress, EgressVerdict, Event, EventKind, NoticeLevel, StepKind, StepOutcome, Stream,
    UsageSample,
};
pub use id::{InvalidJobId, JobId};
pub use image::is_image_name;
pub use limits::{InvalidLimits, Limits, LimitsPolicy, PartialLimits};
pub use model::{
    ModelAnswer, ModelCall, ModelFacts, ModelRequest, ModelTurn, Part, Replay, Stop, TokenUsage,
    ToolCall, ToolResult, ToolSpec, Turn, Usd,
};
pub use network::{Domain, InvalidDomain, Network};
pub use record::{JobRecord, JobSummary, Usage};
pub use result::{Check, CheckResult, JobResult, Plan, PlanItem, PlanState, Speaker, Waiting};
pub use sandbox::{Isolation, SandboxReport, Shortfall};
pub use spec::{JobSpec, LastStep, Mode, Resumes};
pub use status::{Ending, JobStatus, Reason};
