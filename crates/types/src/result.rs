use serde::{Deserialize, Serialize};

use crate::StepKind;

/// What an agent says it made, and what was found when that was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobResult {
    /// What was done, in the agent's words.
    pub summary: String,
    /// The files it names as the result, as paths in the workspace.
    pub artifacts: Vec<String>,
    /// What was checked, in this order.
    pub checks: Vec<CheckResult>,
    /// Whether something was checked, and everything that was is as it should be.
    pub verified: bool,
}

/// One check of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CheckResult {
    /// What should be so, for people.
    pub what: String,
    /// The command that shows it; null where we looked ourselves (whether a file is there).
    pub command: Option<String>,
    /// Whether it is so.
    pub passed: bool,
    /// What was found: the exit code and the last lines, or what is missing.
    pub found: String,
}

/// What an agent means to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Plan {
    /// What it will hand over.
    #[serde(default)]
    pub deliverables: Vec<String>,
    /// The steps, in order.
    pub items: Vec<PlanItem>,
    /// How it will know that it is done.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlanItem {
    /// What.
    pub text: String,
    /// How far it is.
    #[serde(default)]
    pub state: PlanState,
}

/// How far a step of a plan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Not begun.
    #[default]
    Open,
    /// Being done.
    Active,
    /// Done.
    Done,
    /// Given up.
    Dropped,
}

/// Something that must hold at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Check {
    /// What, for people.
    pub what: String,
    /// A shell command that succeeds if it holds.
    pub command: String,
}

/// What a running job waits for a person to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waiting {
    /// To approve or reject a step before it is run.
    Approval {
        /// Its number.
        step: u32,
        /// What kind of step.
        kind: StepKind,
        /// What it is about.
        title: String,
        /// What would be run or written.
        code: Option<String>,
    },
}

/// Who says something in a job's conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The job's agent.
    Agent,
    /// A person, or a program in their place.
    Person,
}
