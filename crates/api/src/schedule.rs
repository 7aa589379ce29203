//! Giving a job.

use std::collections::BTreeMap;

use axum::extract::State;
use jobs::{ScheduleError, ScheduleRequest};
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus, Mode, Network, PartialLimits};
use utoipa::ToSchema;

use crate::Api;
use crate::code::Code;
use crate::extract::object;
use crate::json::Json;
use crate::problem::{FieldProblem, Problem};
use crate::refusals::ScheduleProblems;
use crate::submission::{IdempotencyKey, Order, Submission};

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
    (
        $(#[$about:meta])* $name:ident { $task:ident }
        $(#[$form_about:meta])* $form:ident
    ) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// The task, at most 1 MiB: plain language, or a runbook, Markdown with fenced blocks.
            $task: String,
            /// How to take it.
            #[serde(default)]
            mode: Mode,
            /// Which engine makes the sandbox; the server's first one if not said.
            engine: Option<String>,
            /// The image the sandbox is made from, such as `containerized-agent:latest`; the
            /// engine's default if not said.
            image: Option<String>,
            /// Whether the desktop is started before the first step, not only when somebody looks.
            #[serde(default)]
            desktop: bool,
            /// What the job may use; missing fields take the operator's default.
            #[serde(default, deserialize_with = "object")]
            limits: Option<PartialLimits>,
            /// Whether dependency caches such as `node_modules` go into the ZIP too.
            #[serde(default)]
            include_caches: bool,
            /// What the sandbox may reach; the operator's default if not said.
            network: Option<Network>,
            /// More variables for the job's commands; shown to nobody.
            #[serde(default)]
            environment: BTreeMap<String, String>,
            /// Which model is asked first: `provider`, `provider/model`, or a model that is
            /// configured; the others follow if it fails. The operator's order if not said. Of no
            /// use to a runbook.
            model: Option<String>,
            /// Whether each step waits until a person approves it.
            #[serde(default)]
            approve: bool,
        }

        impl Order for $name {
            const EXAMPLE: &str = concat!(r#"{""#, stringify!($task), r#"": "…"}"#);
        }

        impl From<Submission<$name>> for ScheduleRequest {
            fn from(Submission { body, inputs, idempotency }: Submission<$name>) -> Self {
                Self {
                    prompt: body.$task,
                    mode: body.mode,
                    engine: body.engine,
                    image: body.image,
                    desktop: body.desktop,
                    limits: body.limits.unwrap_or_default(),
                    include_caches: body.include_caches,
                    network: body.network,
                    environment: body.environment,
                    model: body.model,
                    approve: body.approve,
                    inputs,
                    idempotency,
                }
            }
        }

        $(#[$form_about])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "for the description; `submission` reads the parts")]
        pub(crate) struct $form {
            /// The same as when it is sent alone.
            job: $name,
            /// A file for the workspace; its `filename` is its path there. May be repeated.
            #[schema(value_type = Vec<String>, format = Binary, required = false)]
            file: Vec<u8>,
        }
    };
}

request!(
    /// A job to be done.
    ScheduleBody { prompt }
    /// A job to be done, and files for its workspace.
    ScheduleForm
);
request!(
    /// A job to be done, with the older name of its task.
    SubmitBody { task }
    /// A job to be done, with the older name of its task, and files for its workspace.
    SubmitForm
);

/// Give a job
///
/// When this answers, the job is on disk and cannot be lost. To send it again without making a second
/// job, name the request by an `Idempotency-Key`. Files for the workspace come as parts `file` of a
/// form.
#[utoipa::path(post, path = "/schedule", tag = "jobs", params(IdempotencyKey),
    request_body(content(
        (ScheduleBody = "application/json", example = json!({"prompt": EXAMPLE})),
        (ScheduleForm = "multipart/form-data"))),
    responses((status = 200, description = "The job was accepted", body = Scheduled),
        ScheduleProblems))]
pub(crate) async fn schedule(
    State(api): State<Api>,
    submission: Submission<ScheduleBody>,
) -> Result<Json<Scheduled>, Problem> {
    accept(&api, submission.into(), "prompt").await
}

/// Give a job, by the call's older name
#[utoipa::path(post, path = "/submit", tag = "jobs", params(IdempotencyKey),
    request_body(content(
        (SubmitBody = "application/json", example = json!({"task": EXAMPLE})),
        (SubmitForm = "multipart/form-data"))),
    responses((status = 200, description = "The job was accepted", body = Scheduled),
        ScheduleProblems))]
pub(crate) async fn submit(
    State(api): State<Api>,
    submission: Submission<SubmitBody>,
) -> Result<Json<Scheduled>, Problem> {
    accept(&api, submission.into(), "task").await
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
pub(crate) fn refused(error: &ScheduleError, task: &'static str) -> Problem {
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
        ScheduleError::UnknownModel(_) => Problem::field(Code::UnknownModel, "model", text),
        ScheduleError::UnknownEngine { .. } => Problem::field(Code::UnknownEngine, "engine", text),
        ScheduleError::ImageName => {
            let form = "it is like containerized-agent:latest or registry.example.org/team/agent:2, \
                        in lower case; leave it out for the engine's own";
            Problem::field(Code::InvalidField, "image", format!("{text}; {form}"))
        }
        ScheduleError::Limits(bad) => {
            let message =
                format!("must be between {} and {}, not {}", bad.least, bad.most, bad.given);
            Problem::field(Code::BadLimits, &format!("limits.{}", bad.field), message)
        }
        ScheduleError::NoPrice => {
            let message = "cannot be kept: not every model of this server has a price, and each may \
                           be asked if another fails (docs/models.md says how to set one); \
                           limits.model_tokens needs none";
            Problem::field(Code::BadLimits, "limits.cost_usd", message)
        }
        ScheduleError::Network { why } => Problem::field(Code::BadNetwork, "network", why),
        ScheduleError::Environment(bad) => {
            Problem::field(Code::BadEnvironment, "environment", bad.to_string())
        }
        ScheduleError::InputsTooLarge { .. } => Problem::field(Code::TooLarge, "file", text),
        ScheduleError::BadKey => Problem::field(Code::BadKey, "Idempotency-Key", text),
        ScheduleError::KeyReused { .. } => {
            Problem::field(Code::KeyReused, "Idempotency-Key", format!("{text}; take a new one"))
        }
        ScheduleError::NotKept => Problem::new(Code::NotResumable, text),
        ScheduleError::NoRoom(_) => {
            Problem::new(Code::DiskFull, format!("{text}; {}", Code::DiskFull.advice()))
        }
        ScheduleError::Stopping => {
            Problem::new(Code::Stopping, format!("{text}; try again when it is up"))
        }
        ScheduleError::Store(_) | ScheduleError::Inputs(_) => Problem::internal(error),
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

/// How a server gets a model.
const A_MODEL: &str = "set ALCHEMYST_API_KEY, GEMINI_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY or \
                       OLLAMA_HOST for the server and start it again (docs/models.md)";

fn no_model() -> String {
    format!(
        "this is plain language, and no model is configured to read it: {A_MODEL}. Or put the \
         commands into fenced bash, sh, python, ts or js blocks; they run in order without a \
         model:\n\n```bash\necho 'print(1 + 1)' > sum.py && python3 sum.py\n```\n\n\
         The format: docs/runbooks.md"
    )
}

fn agent_mode() -> Problem {
    let message = format!(
        "`agent` needs a model, as a job does that names one, and none is configured: {A_MODEL}. Or \
         leave `mode` and `model` out: the prompt's blocks are then run"
    );
    let errors = vec![FieldProblem { field: "mode".into(), message: message.clone() }];
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
