//! What an assistant says with a call of a tool. The comments are what it reads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rmcp::schemars;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Submit {
    /// The task: plain language for the agent in the sandbox, or a runbook (Markdown with fenced
    /// bash, python or typescript blocks that are run in order).
    pub(super) task: String,
    /// `agent`: work on the task with a model. `runbook`: run its blocks, without a model. `auto`, if
    /// not said: whichever the server can and the text looks like.
    pub(super) mode: Option<Mode>,
    /// Files of this machine that are put into the job's workspace, as absolute `PATH` or
    /// `PATH=NAME_INSIDE`.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// What the job may reach: `none`, `open` (the public internet), or domains such as
    /// `example.org,*.example.net`. If not said, what the operator chose.
    pub(super) network: Option<String>,
    /// What the job may use at most, such as `{"wall_seconds": 600, "memory_bytes": 536870912,
    /// "cost_usd": 1}`.
    #[serde(default)]
    pub(super) limits: BTreeMap<String, Number>,
    /// Which model is asked first: a provider such as `gemini`, or `PROVIDER/MODEL`.
    pub(super) model: Option<String>,
    /// Whether each step waits until it is approved (see `decide`).
    #[serde(default)]
    pub(super) approve: bool,
    /// A name of this request: repeated with the same name and task, it is the same job, not another.
    pub(super) idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Auto,
    Agent,
    Runbook,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfJob {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// How long to wait at most, in seconds: 1 to 300; 45 if not said.
    #[schemars(range(min = 1, max = 300))]
    pub(super) seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Only jobs in one of these: scheduled, starting, running, packaging, complete, error, cancelled.
    #[serde(default)]
    pub(super) statuses: Vec<String>,
    /// How many at most, the newest first: 1 to 100; 20 if not said.
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadLog {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// Which of its two logs; `stdout` if not said.
    pub(super) stream: Option<Stream>,
    /// How many of its last lines: 1 to 1000; 100 if not said.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) lines: Option<usize>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFiles {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// A directory of its workspace, such as `src`; the workspace itself if not said.
    #[serde(default)]
    pub(super) path: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadFile {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// The file, as a path in the workspace, such as `src/main.py`.
    pub(super) path: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// What to say to its agent.
    pub(super) text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// The number of the step that it waits with, as `get_job` says.
    pub(super) step: u32,
    /// Whether the step may run.
    pub(super) approve: bool,
    /// Why not, for the job's agent.
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Download {
    /// The job's id, or at least 4 characters of its beginning or end.
    pub(super) job: String,
    /// Where to put the ZIP: the absolute path, ending in .zip, of a file that is not there yet.
    pub(super) path: PathBuf,
}
