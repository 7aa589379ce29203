//! What is known of a job: in short, and in full.

use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use jiff::Timestamp;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use types::{
    CheckResult, Ending, JobId, JobRecord, JobResult, JobStatus, Limits, Mode, Network, Reason,
    SandboxReport, Usage, UsageSample, Waiting,
};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::extract::{JobPath, Params};
use crate::json::Json;
use crate::links::{self, Links};
use crate::problem::Problem;
use crate::refusals::{InvalidParams, JobProblems};

/// A job in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its id.
    pub job_id: JobId,
    /// Where it is in its life.
    pub status: JobStatus,
    /// Why it ended, for programs; null until it is over.
    #[schema(required = true)]
    pub reason: Option<Reason>,
    /// What it waits for a person to do; null if it does not wait.
    #[schema(required = true)]
    pub waiting: Option<Waiting>,
    /// What its agent did, in the agent's words; null for a runbook, and until the agent is done.
    #[schema(required = true)]
    pub summary: Option<String>,
    /// The files its agent names as the result, as paths in the workspace; null as `summary` is.
    #[schema(required = true)]
    pub artifacts: Option<Vec<String>>,
    /// What was checked of the result; null as `summary` is.
    #[schema(required = true)]
    pub checks: Option<Vec<CheckResult>>,
    /// Whether something was checked, and all that was is as it should be; null as `summary` is.
    #[schema(required = true)]
    pub verified: Option<bool>,
    /// Where its ZIP is on the server; null until there is one.
    #[schema(required = true)]
    pub output: Option<String>,
    /// Where its ZIP can be downloaded, as a path of this server; null until there is one.
    #[schema(required = true)]
    pub download_link: Option<String>,
    /// Where its logs can be read, as a path of this server.
    pub logs_link: String,
}

/// Everything known of a job but its events and its logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub job_id: JobId,
    /// What it is about, in one line: the heading of a runbook, or what its first block does; the
    /// first line of a task.
    pub title: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// Why it ended, for programs; null until it is over.
    #[schema(required = true)]
    pub reason: Option<Reason>,
    /// Why it ended, for people; null until it is over, and for `complete`.
    #[schema(required = true)]
    pub error: Option<String>,
    /// Exit code of the step that decided; null until it is over, and where none did.
    #[schema(required = true)]
    pub exit_code: Option<i32>,
    /// What it waits for a person to do; null if it does not wait.
    #[schema(required = true)]
    pub waiting: Option<Waiting>,
    /// What its agent did, in the agent's words; null for a runbook, and until the agent is done.
    #[schema(required = true)]
    pub summary: Option<String>,
    /// The files its agent names as the result, as paths in the workspace; null as `summary` is.
    #[schema(required = true)]
    pub artifacts: Option<Vec<String>>,
    /// What was checked of the result; null as `summary` is.
    #[schema(required = true)]
    pub checks: Option<Vec<CheckResult>>,
    /// Whether something was checked, and all that was is as it should be; null as `summary` is.
    #[schema(required = true)]
    pub verified: Option<bool>,
    /// When it was accepted.
    #[schema(value_type = String, format = "date-time")]
    pub created: Timestamp,
    /// When its sandbox began to be made.
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    pub started: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    pub completed: Option<Timestamp>,
    /// Whether somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// The task, word for word.
    pub prompt: String,
    /// How it is run.
    pub mode: Mode,
    /// Which model its agent asks first, if its client said so.
    #[schema(required = true)]
    pub model: Option<String>,
    /// Whether each step waits until a person approves it.
    pub approve: bool,
    /// The engine that makes its sandbox.
    pub engine: String,
    /// The image its sandbox is made from; null for the engine's default.
    #[schema(required = true)]
    pub image: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// What its sandbox may reach.
    pub network: Network,
    /// The names of the variables that were given with it; their values are shown nowhere.
    pub environment: Vec<String>,
    /// Whether dependency caches go into the ZIP too.
    pub include_caches: bool,
    /// How its sandbox is protected; null until there is one.
    #[schema(required = true)]
    pub sandbox: Option<SandboxReport>,
    /// What it used; null until its sandbox is gone.
    #[schema(required = true)]
    pub usage: Option<Usage>,
    /// What it uses, looked at a short time ago; null unless it runs.
    #[schema(required = true)]
    pub usage_now: Option<UsageSample>,
    /// The `seq` of its newest event.
    pub last_seq: u64,
    /// Whether its workspace waits for somebody who goes on with it: `POST /v1/jobs/{id}/resume`.
    #[serde(default)]
    pub resumable: bool,
    /// The job after which it goes on, in that one's workspace; null for most.
    #[schema(required = true)]
    pub resumes: Option<JobId>,
    /// The job that goes on after this one; null for most.
    #[schema(required = true)]
    pub resumed_by: Option<JobId>,
    /// Where its ZIP is on the server; null until there is one.
    #[schema(required = true)]
    pub output: Option<String>,
    /// Size of its ZIP in bytes; null until there is one.
    #[schema(required = true)]
    pub zip_bytes: Option<u64>,
    /// Where its things are on this server.
    pub links: Links,
}

impl Status {
    fn new(record: JobRecord, zip: &Path) -> Self {
        let has_zip = record.zip_bytes.is_some() && zip.exists();
        let Made { summary, artifacts, checks, verified } = Made::of(record.result);
        Self {
            job_id: record.id,
            status: record.status,
            reason: over(record.status, record.ending.as_ref()).map(|ending| ending.reason),
            waiting: record.waiting,
            summary,
            artifacts,
            checks,
            verified,
            output: has_zip.then(|| zip.display().to_string()),
            download_link: has_zip.then(|| links::download(record.id)),
            logs_link: links::logs(record.id),
        }
    }
}

impl Job {
    fn new(record: JobRecord, uses: Option<UsageSample>, zip: &Path) -> Self {
        let JobRecord { id, spec, status, ending, .. } = record;
        // Half deleted on a full disk, a job has none any more.
        let zip_bytes = record.zip_bytes.filter(|_| zip.exists());
        let ending = over(status, ending.as_ref());
        let Made { summary, artifacts, checks, verified } = Made::of(record.result);
        Self {
            job_id: id,
            title: spec.title,
            status,
            reason: ending.map(|ending| ending.reason),
            error: ending.and_then(|ending| ending.error.clone()),
            exit_code: ending.and_then(|ending| ending.exit_code),
            waiting: record.waiting,
            summary,
            artifacts,
            checks,
            verified,
            created: record.created,
            started: record.started,
            completed: record.completed,
            cancel_requested: record.cancel_requested,
            prompt: spec.prompt,
            mode: spec.mode,
            model: spec.model,
            approve: spec.approve,
            engine: spec.engine,
            image: spec.image,
            limits: spec.limits,
            network: spec.network,
            environment: spec.environment.into_keys().collect(),
            include_caches: spec.include_caches,
            sandbox: record.sandbox,
            usage: record.usage,
            usage_now: uses.filter(|_| status == JobStatus::Running),
            last_seq: record.last_seq,
            resumable: record.kept,
            resumes: spec.resumes.map(|resumes| resumes.job),
            resumed_by: None,
            output: zip_bytes.map(|_| zip.display().to_string()),
            zip_bytes,
            links: Links::new(id, zip_bytes.is_some()),
        }
    }
}

/// The fields of a result, each null where there is none.
#[derive(Default)]
struct Made {
    summary: Option<String>,
    artifacts: Option<Vec<String>>,
    checks: Option<Vec<CheckResult>>,
    verified: Option<bool>,
}

impl Made {
    fn of(result: Option<JobResult>) -> Self {
        let Some(JobResult { summary, artifacts, checks, verified }) = result else {
            return Self::default();
        };
        Self {
            summary: Some(summary),
            artifacts: Some(artifacts),
            checks: Some(checks),
            verified: Some(verified),
        }
    }
}

/// How a job ended. While it is still being packaged the store knows already; a client does not,
/// so that a `reason` always stands beside a final status.
pub(crate) fn over(status: JobStatus, ending: Option<&Ending>) -> Option<&Ending> {
    ending.filter(|_| status.is_final())
}

/// How long a client may wait for a job's end, in seconds; proxies give up on an answer after that.
const MAX_WAIT: u64 = 60;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusParams {
    /// Answer when the job is over, or after so many seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[param(value_type = Option<u64>, maximum = 60)]
    wait: u64,
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<u64, D::Error> {
    let wrong = || D::Error::custom("must be a whole number of seconds, 0 to 60");
    let seconds = String::deserialize(value)?.parse().map_err(|_| wrong())?;
    if seconds > MAX_WAIT { Err(wrong()) } else { Ok(seconds) }
}

/// A job in short
///
/// At once, or with `wait` when it is over.
#[utoipa::path(get, path = "/status/{id}", tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), StatusParams),
    responses((status = 200, description = "Where the job is", body = Status), InvalidParams,
        JobProblems))]
pub(crate) async fn status(
    State(api): State<Api>,
    JobPath(id): JobPath,
    Params(StatusParams { wait }): Params<StatusParams>,
) -> Result<Json<Status>, Problem> {
    if wait > 0 {
        // How that went, the look after it tells.
        let over = api.jobs.wait_until_over(id, Duration::from_secs(wait));
        drop(api.config.closing.run_until_cancelled(over).await);
    }
    let record = api.jobs.get(id).await?;
    Ok(Json(Status::new(record, &api.jobs.zip_path(id))))
}

/// Everything known of a job
#[utoipa::path(get, path = "/job/{id}", tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job), JobProblems))]
pub(crate) async fn job(
    State(api): State<Api>,
    JobPath(id): JobPath,
) -> Result<Json<Job>, Problem> {
    let record = api.jobs.get(id).await?;
    let resumed_by = api.jobs.resumed_by(id).await?;
    Ok(Json(Job { resumed_by, ..Job::new(record, api.jobs.uses(id), &api.jobs.zip_path(id)) }))
}
