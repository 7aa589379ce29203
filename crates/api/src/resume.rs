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

const ONLY_BROKEN: &str =
    "Only a job whose sandbox was lost, or that was interrupted, can be resumed";

const CURE: &str = "give it again as a new job; its ZIP has the files that it made";

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
    let text = match error {
        ResumeError::Job(error) => return error.into(),
        ResumeError::Schedule(error) => return schedule::refused(&error, "prompt"),
        ResumeError::NotOver(_) => error.to_string(),
        // Two sentences: how a job ended may be one of its own.
        ResumeError::Ended(how) => format!("the job ended as {how}. {ONLY_BROKEN}; {CURE}"),
        ResumeError::Gone => format!("{error}; {CURE}"),
    };
    Problem::new(Code::NotResumable, text)
}
