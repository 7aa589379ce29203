//! Stopping a job.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus};
use utoipa::ToSchema;

use crate::Api;
use crate::extract::JobPath;
use crate::problem::{JobProblems, Problem};

/// What a cancel did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// The job.
    pub job_id: JobId,
    /// Whether it ends as `cancelled`, by this call or an earlier one; false if it was over, or its
    /// result decided, before.
    pub cancelled: bool,
    /// Where it is now.
    pub status: JobStatus,
}

/// Stop a job
///
/// Answers at once; the job ends as `cancelled` soon after, and is packaged too.
#[utoipa::path(post, path = "/cancel/{id}", tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "What became of it", body = Cancelled), JobProblems))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    JobPath(job_id): JobPath,
) -> Result<Json<Cancelled>, Problem> {
    let done = api.jobs.cancel(job_id).await?;
    Ok(Json(Cancelled { job_id, cancelled: done.cancelled, status: done.status }))
}
