//! Stopping a job.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus};
use utoipa::ToSchema;

use crate::Api;
use crate::extract::JobPath;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{FullProblem, JobProblems};

/// What a cancel did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// The job.
    pub job_id: JobId,
    /// Whether it ends, or has ended, as `cancelled`; false if it ends otherwise: its result was
    /// there, or decided, before.
    pub cancelled: bool,
    /// Where it is now.
    pub status: JobStatus,
}

/// Stop a job
///
/// Answers at once; a job that is not over ends as `cancelled` soon after, and is packaged too.
#[utoipa::path(post, path = "/cancel/{id}", tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "What became of it", body = Cancelled), JobProblems,
        FullProblem))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    JobPath(job_id): JobPath,
) -> Result<Json<Cancelled>, Problem> {
    let done = api.jobs.cancel(job_id).await?;
    Ok(Json(Cancelled { job_id, cancelled: done.cancelled, status: done.status }))
}
