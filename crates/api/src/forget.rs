//! Removing a job before its retention does.

use axum::extract::State;
use axum::http::StatusCode;
use jobs::ForgetError;
use types::JobId;

use crate::Api;
use crate::code::Code;
use crate::extract::JobPath;
use crate::problem::Problem;
use crate::refusals::{FullProblem, JobProblems};

/// Delete a job
///
/// All that is kept of it: its record, events, logs and ZIP. Only a job that is over can be deleted.
/// Files go first: on a full disk they give the room that the rest needs.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "forget",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 204, description = "It is gone"), JobProblems, FullProblem,
        (status = 409, description = "`not_over`: cancel it and wait for its end first; or another \
            job is to go on in its workspace, and `detail` says which: wait until that one runs",
            body = Problem, content_type = "application/problem+json",
            example = json!(Problem::new(Code::NotOver, Code::NotOver.advice())))))]
pub(crate) async fn forget(
    State(api): State<Api>,
    JobPath(id): JobPath,
) -> Result<StatusCode, Problem> {
    match api.jobs.forget(id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ForgetError::Job(error)) => Err(error.into()),
        Err(ForgetError::NotOver(status)) => {
            let detail = format!("job {id} is {status}; {}", Code::NotOver.advice());
            Err(Problem::new(Code::NotOver, detail))
        }
        Err(error @ ForgetError::Claimed(_)) => {
            Err(Problem::new(Code::NotOver, format!("job {id} is over, but {error}")))
        }
        Err(error @ ForgetError::Io(_)) => Err(Problem::internal(&error)),
    }
}
