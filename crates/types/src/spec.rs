use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{JobId, Limits, Network, StepOutcome};

/// How a prompt is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A runbook if the prompt says so (`runbook: 1`) or if no model is configured, else agent.
    #[default]
    Auto,
    /// The prompt is a task for a model.
    Agent,
    /// The prompt's fenced blocks are run, in order, without a model.
    Runbook,
}

/// What a job was asked to do, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobSpec {
    /// What it is about, in one line, for people; the first jobs had none.
    #[serde(default)]
    pub title: String,
    /// The task, word for word.
    pub prompt: String,
    /// How it is run; never `auto` once the job is accepted.
    pub mode: Mode,
    /// The engine that makes its sandbox.
    pub engine: String,
    /// The image its sandbox is made from; null for the engine's own default.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether its desktop is there before its first step, not only when somebody wants it.
    #[serde(default)]
    pub desktop: bool,
    /// What it may use.
    pub limits: Limits,
    /// What its sandbox may reach.
    #[serde(default)]
    pub network: Network,
    /// More variables for its commands.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether dependency caches such as `node_modules` go into the ZIP too.
    pub include_caches: bool,
    /// Which provider, or `provider/model`, is asked first; the operator's order if not said.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether a person approves every step before it is run.
    #[serde(default)]
    pub approve: bool,
    /// The job after which it goes on, in that one's workspace; null for most.
    #[serde(default)]
    pub resumes: Option<Resumes>,
}

/// Where a job begins that goes on after another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Resumes {
    /// The other one.
    pub job: JobId,
    /// The step of it that was recorded last; null if there is none.
    pub step: Option<LastStep>,
}

/// The last step that is recorded of a job that broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LastStep {
    /// Its number.
    pub step: u32,
    /// How it went; `interrupted` if nobody knows.
    pub outcome: StepOutcome,
    /// Its exit code, if it has one.
    pub exit_code: Option<i32>,
}
