//! Saying something to a job's agent, and deciding about a step that waits.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use jobs::TalkError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::JobId;
use utoipa::ToSchema;

use crate::code::Code;
use crate::extract::JobPath;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{FullProblem, JobProblems, TalkProblems};
use crate::{Api, body, extract};

/// Something a person says to a job's agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageBody {
    /// What, at most 64 KiB.
    #[schema(min_length = 1)]
    text: String,
}

/// What a person decides about a step that waits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalBody {
    /// The step's number, as `waiting` has it.
    step: u32,
    /// Whether it may be run.
    approve: bool,
    /// Why not, for the agent; at most 64 KiB.
    reason: Option<String>,
}

/// It is recorded, and reaches the agent at its next turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// The job.
    pub job_id: JobId,
    /// The `seq` of its event.
    pub seq: u64,
}

/// Say something to the agent
///
/// It hears it at its next turn, also if it has not begun yet. When this answers, it is on disk.
#[utoipa::path(post, path = "/v1/jobs/{id}/messages", tag = "jobs", operation_id = "say",
    params(("id" = JobId, Path, description = "The job")),
    request_body(content = MessageBody, example = json!({"text": "use port 8080"})),
    responses((status = 202, description = "It was recorded", body = Recorded), TalkProblems,
        JobProblems, FullProblem))]
pub(crate) async fn say(
    State(api): State<Api>,
    JobPath(job_id): JobPath,
    request: Request,
) -> Result<(StatusCode, Json<Recorded>), Problem> {
    let MessageBody { text } = read(request, r#"{"text": "…"}"#).await?;
    let said = api.jobs.say(job_id, text).await;
    recorded(job_id, said.map_err(|e| refused(e, "text"))?)
}

/// Decide about a step that waits
///
/// A job that was given with `approve` waits before each of its steps: its `waiting` says for what.
/// The same decision about the same step may be sent again.
#[utoipa::path(post, path = "/v1/jobs/{id}/approval", tag = "jobs", operation_id = "decide",
    params(("id" = JobId, Path, description = "The job")),
    request_body(content = ApprovalBody, example = json!({"step": 3, "approve": true})),
    responses((status = 202, description = "It was recorded", body = Recorded), TalkProblems,
        JobProblems, FullProblem))]
pub(crate) async fn decide(
    State(api): State<Api>,
    JobPath(job_id): JobPath,
    request: Request,
) -> Result<(StatusCode, Json<Recorded>), Problem> {
    let ApprovalBody { step, approve, reason } =
        read(request, r#"{"step": 3, "approve": true}"#).await?;
    let decided = api.jobs.decide(job_id, step, approve, reason).await;
    recorded(job_id, decided.map_err(|e| refused(e, "reason"))?)
}

async fn read<T: DeserializeOwned>(request: Request, example: &str) -> Result<T, Problem> {
    extract::expect_json(request.headers())?;
    extract::parse(&body::whole(request).await?, example)
}

fn recorded(job_id: JobId, seq: u64) -> Result<(StatusCode, Json<Recorded>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(Recorded { job_id, seq })))
}

/// `field` is what the text was sent as.
pub(crate) fn refused(error: TalkError, field: &str) -> Problem {
    let with_cure = |code: Code| Problem::new(code, format!("{error}; {}", code.advice()));
    match error {
        TalkError::Job(error) => error.into(),
        TalkError::Over(_) => with_cure(Code::JobOver),
        TalkError::NoAgent => with_cure(Code::NoAgent),
        TalkError::NotWaiting { .. } => with_cure(Code::NotWaiting),
        TalkError::TooMuch { .. } => with_cure(Code::TooMuchSaid),
        TalkError::Empty => Problem::field(Code::InvalidField, field, error.to_string()),
        TalkError::TooLong { .. } => Problem::field(Code::TooLarge, field, error.to_string()),
    }
}
