use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Limits, Network};

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
}
