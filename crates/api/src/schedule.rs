//! Giving a job.

use axum::extract::State;
use jobs::{ScheduleError, ScheduleRequest};
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus, Limits, Mode};
use utoipa::ToSchema;

use crate::Api;
use crate::extract::JsonBody;
use crate::json::Json;
use crate::problem::{Code, FieldProblem, Problem};
use crate::refusals::ScheduleProblems;

/// A prompt that runs as it is.
const EXAMPLE: &str = "# Hello\n\n```bash\necho hello > hello.txt\n```\n";

/// A job was accepted and cannot be lost any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scheduled {
    /// Its id.
    pub job_id: JobId,
    /// `scheduled`.
    pub status: JobStatus,
}

/// The body of both calls: they differ in the name of one field.
macro_rules! request {
    ($(#[$about:meta])* $name:ident { $task:ident }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// The task, at most 1 MiB: in this version a runbook, Markdown with fenced blocks.
            $task: String,
            /// How to take it.
            #[serde(default)]
            mode: Mode,
            /// Which engine makes the sandbox; the server's first one if not said.
            engine: Option<String>,
            /// What the job may use; missing fields take their default.
            limits: Option<Limits>,
            /// Whether dependency caches such as `node_modules` go into the ZIP too.
            #[serde(default)]
            include_caches: bool,
            /// What the sandbox may reach; in this version nothing.
            #[serde(rename = "network")]
            _network: Option<Network>,
        }

        impl From<$name> for ScheduleRequest {
            fn from(body: $name) -> Self {
                Self {
                    prompt: body.$task,
                    mode: body.mode,
                    engine: body.engine,
                    limits: body.limits.unwrap_or_default(),
                    include_caches: body.include_caches,
                }
            }
        }
    };
}

request!(
    /// A job to be done.
    ScheduleBody { prompt }
);
request!(
    /// A job to be done, with the older name of its task.
    SubmitBody { task }
);

/// What a sandbox may reach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Network {
    /// Nothing but itself.
    None,
}

/// Give a job
///
/// When this answers, the job is on disk and cannot be lost.
#[utoipa::path(post, path = "/schedule", tag = "jobs", 
    request_body(content = ScheduleBody, example = json!({"prompt": EXAMPLE})),
    responses((status = 200, description = "The job was accepted", body = Scheduled),
        ScheduleProblems))]
pub(crate) async fn schedule(
    State(api): State<Api>,
    JsonBody(body): JsonBody<ScheduleBody>,
) -> Result<Json<Scheduled>, Problem> {
    accept(&api, body.into(), "prompt").await
}

/// Give a job, by the call's older name
#[utoipa::path(post, path = "/submit", tag = "jobs", 
    request_body(content = SubmitBody, example = json!({"task": EXAMPLE})),
    responses((status = 200, description = "The job was accepted", body = Scheduled),
        ScheduleProblems))]
pub(crate) async fn submit(
    State(api): State<Api>,
    JsonBody(body): JsonBody<SubmitBody>,
) -> Result<Json<Scheduled>, Problem> {
    accept(&api, body.into(), "task").await
}

async fn accept(
    api: &Api,
    request: ScheduleRequest,
    task: &'static str,
) -> Result<Json<Scheduled>, Problem> {
    let job_id = api.jobs.schedule(request).await.map_err(|e| refused(&e, task))?;
    // What it was accepted as, and what scripts know; it may have started since.
    Ok(Json(Scheduled { job_id, status: JobStatus::Scheduled }))
}

/// `task` is what the call names the prompt.
fn refused(error: &ScheduleError, task: &'static str) -> Problem {
    let text = error.to_string();
    match error {
        ScheduleError::EmptyPrompt => {
            let cure = "say what to do, for example as a fenced bash block";
            Problem::field(Code::EmptyPrompt, task, format!("{text}; {cure}"))
        }
        ScheduleError::PromptTooLarge { .. } => {
            let cure = "leave data out of it, or make it in a step";
            Problem::field(Code::TooLarge, task, format!("{text}; {cure}"))
        }
        ScheduleError::BadRunbook(mistakes) => bad_runbook(task, &mistakes.to_string()),
        ScheduleError::NoModel => Problem::field(Code::NoModel, task, no_model()),
        ScheduleError::AgentMode => agent_mode(),
        ScheduleError::UnknownEngine { .. } => Problem::field(Code::UnknownEngine, "engine", text),
        ScheduleError::Limits(bad) => {
            let message =
                format!("must be between {} and {}, not {}", bad.least, bad.most, bad.given);
            Problem::field(Code::BadLimits, &format!("limits.{}", bad.field), message)
        }
        ScheduleError::Stopping => {
            Problem::new(Code::Stopping, format!("{text}; try again when it is up"))
        }
        ScheduleError::Store(_) => Problem::internal(error),
    }
}

/// `mistakes` has a line for each.
fn bad_runbook(task: &'static str, mistakes: &str) -> Problem {
    let mistake = |line: &str| FieldProblem { field: task.into(), message: line.into() };
    let detail =
        format!("the runbook cannot be run; its format is in docs/runbooks.md\n{mistakes}");
    Problem {
        errors: mistakes.lines().map(mistake).collect(),
        ..Problem::new(Code::BadRunbook, detail)
    }
}

fn no_model() -> String {
    "this is plain language, and this version has no model to read it. Put the commands into \
     fenced bash, sh, python, ts or js blocks; they run in order without a model:\n\n\
     ```bash\necho 'print(1 + 1)' > sum.py && python3 sum.py\n```\n\n\
     The format: docs/runbooks.md"
        .into()
}

fn agent_mode() -> Problem {
    let message = "mode `agent` needs a model, and this version has none; leave `mode` out or use \
                   `runbook` (the prompt's blocks are then run)";
    let errors = vec![FieldProblem { field: "mode".into(), message: message.into() }];
    Problem { errors, ..Problem::new(Code::NoModel, message) }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn a_stopping_server_says_when_to_come_back() {
        let response = refused(&ScheduleError::Stopping, "prompt").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
    }
}
