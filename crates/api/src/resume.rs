//! Going on after a job that broke off.

use axum::extract::State;
use jobs::ResumeError;
use types::{JobId, JobStatus};

use crate::Api;
use crate::code::Code;
use crate::extract::JobPath;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{JobProblems, ResumeProblems};
use crate::schedule::{self, Scheduled};

/// Go on after a job that broke off
///
/// Makes a new job with what the old one was asked to do, in the workspace that it left, from its last
/// checkpoint; for a job that lost its sandbox and is `resumable`. The step that was interrupted runs
/// again if it is one of a runbook; an agent is told of it and decides. Limits begin anew. Asked once
/// more, it answers with the same new job.
#[utoipa::path(post, path = "/v1/jobs/{id}/resume", tag = "jobs",
    params(("id" = JobId, Path, description = "The job that broke off")),
    responses((status = 200, description = "The job that goes on after it", body = Scheduled),
        JobProblems, ResumeProblems))]
pub(crate) async fn resume(
    State(api): State<Api>,
    JobPath(job): JobPath,
) -> Result<Json<Scheduled>, Problem> {
    let job_id = api.jobs.resume(job).await.map_err(refused)?;
    Ok(Json(Scheduled { job_id, status: JobStatus::Scheduled }))
}

fn refused(error: ResumeError) -> Problem {
    let text = error.to_string();
    match error {
        ResumeError::Job(error) => error.into(),
        ResumeError::Schedule(error) => schedule::refused(&error, "prompt"),
        ResumeError::NotOver(_) => Problem::new(Code::NotResumable, text),
        ResumeError::Ended(_) | ResumeError::Gone => {
            let cure = "give it again as a new job; its ZIP has the files that it made";
            Problem::new(Code::NotResumable, format!("{text}; {cure}"))
        }
    }
}
