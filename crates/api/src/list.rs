//! The list of jobs, whole or in pages.

use std::str::FromStr;

use axum::extract::State;
use jiff::Timestamp;
use jobs::{JobPage, ListRequest};
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};
use types::{JobId, JobStatus, Reason, Waiting};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::code::Code;
use crate::extract::Params;
use crate::json::Json;
use crate::problem::Problem;
use crate::refusals::{CommonProblems, InvalidParams};
use crate::status::over;

/// The most jobs of one page.
const MAX_LIMIT: u32 = 1000;

/// The most characters that are looked for.
const MAX_SEARCH: usize = 200;

/// Jobs, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<JobSummary>,
    /// Only with `limit`: what to ask for jobs `after`; null if there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JobId>)]
    pub next: Option<Option<JobId>>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// Its id.
    pub job_id: JobId,
    /// What it is about, in one line: the heading of its prompt, or what its first block does.
    pub title: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// When it was accepted.
    #[schema(value_type = String, format = "date-time")]
    pub created: Timestamp,
    /// When its sandbox began to be made.
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    pub started: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    pub completed: Option<Timestamp>,
    /// Why it ended, for programs; null until it is over.
    #[schema(required = true)]
    pub reason: Option<Reason>,
    /// Why it ended, for people; null until it is over, and for `complete`.
    #[schema(required = true)]
    pub error: Option<String>,
    /// What it waits for a person to do; null if it does not wait.
    #[schema(required = true)]
    pub waiting: Option<Waiting>,
}

impl From<types::JobSummary> for JobSummary {
    fn from(summary: types::JobSummary) -> Self {
        let ending = over(summary.status, summary.ending.as_ref());
        Self {
            job_id: summary.id,
            title: summary.title,
            status: summary.status,
            created: summary.created,
            started: summary.started,
            completed: summary.completed,
            reason: ending.map(|ending| ending.reason),
            error: ending.and_then(|ending| ending.error.clone()),
            waiting: summary.waiting,
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the description; `wanted` reads the parameters")]
pub(crate) struct ListParams {
    /// So many at most; `next` is then what the next page is `after`.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only jobs older than this one.
    after: Option<JobId>,
    /// Only jobs in these statuses, with commas between them or repeated.
    #[param(explode = false, min_items = 1)]
    status: Option<Vec<JobStatus>>,
    /// Only jobs with this in their title, or at the beginning of their id; A to Z in any case.
    #[param(min_length = 1, max_length = 200)]
    search: Option<String>,
}

/// Jobs, newest first
///
/// All of them, or a page.
#[utoipa::path(get, path = "/jobs", tag = "jobs", operation_id = "jobs", params(ListParams),
    responses((status = 200, description = "The jobs that are kept", body = JobList),
        InvalidParams, CommonProblems))]
pub(crate) async fn list(
    State(api): State<Api>,
    Params(params): Params<Vec<(String, String)>>,
) -> Result<Json<JobList>, Problem> {
    let wanted = wanted(&params)?;
    let in_pages = wanted.limit.is_some();
    let JobPage { jobs, next } = api.jobs.list(&wanted).await?;
    let jobs = jobs.into_iter().map(JobSummary::from).collect();
    Ok(Json(JobList { jobs, next: in_pages.then_some(next) }))
}

fn wanted(params: &[(String, String)]) -> Result<ListRequest, Problem> {
    let mut wanted = ListRequest::default();
    for (name, value) in params {
        let wrong = |message: String| Problem::field(Code::InvalidField, name, message);
        match name.as_str() {
            "limit" if wanted.limit.is_none() => wanted.limit = Some(limit(value).map_err(wrong)?),
            "after" if wanted.after.is_none() => {
                let after =
                    JobId::from_str(value).map_err(|e| wrong(format!("{value:?} is {e}")))?;
                wanted.after = Some(after);
            }
            "status" => {
                let words = value.split(',').map(status);
                wanted.statuses.extend(words.collect::<Result<Vec<_>, _>>().map_err(wrong)?);
            }
            "search" if wanted.search.is_none() => {
                wanted.search = Some(search(value).map_err(wrong)?);
            }
            "limit" | "after" | "search" => return Err(wrong("is there twice".into())),
            _ => {
                let known = "unknown; expected `limit`, `after`, `status` or `search`";
                return Err(wrong(known.into()));
            }
        }
    }
    Ok(wanted)
}

fn limit(value: &str) -> Result<u32, String> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number, 1 to {MAX_LIMIT}"))
}

fn search(value: &str) -> Result<String, String> {
    let fits = (1..=MAX_SEARCH).contains(&value.chars().count());
    fits.then(|| value.to_owned()).ok_or_else(|| format!("must be 1 to {MAX_SEARCH} characters"))
}

fn status(word: &str) -> Result<JobStatus, String> {
    let word = StrDeserializer::<Error>::new(word.trim());
    let known = JobStatus::deserialize(word);
    known.map_err(|e| e.to_string().replace("unknown variant", "unknown value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &[(&str, &str)]) -> Result<ListRequest, String> {
        let query: Vec<_> = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        wanted(&query).map_err(|problem| problem.detail)
    }

    #[test]
    fn statuses_come_in_a_list_or_one_by_one() {
        let both = asked(&[("status", "running,error"), ("status", "complete")]).unwrap();
        let statuses = [JobStatus::Running, JobStatus::Error, JobStatus::Complete];
        assert_eq!(both.statuses, statuses);
        assert_eq!(asked(&[("limit", "1000")]).unwrap().limit, Some(1000));
        assert!(asked(&[]).unwrap().statuses.is_empty());
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_is_right() {
        for (name, value, word) in [
            ("limit", "0", "1 to 1000"),
            ("limit", "1001", "1 to 1000"),
            ("limit", "-1", "1 to 1000"),
            ("limit", "", "1 to 1000"),
            ("after", "x", "\"x\""),
            ("status", "done", "`complete`"),
            ("status", "", "`complete`"),
            ("status", "running,", "`complete`"),
            ("page", "2", "`after`"),
            ("search", "", "1 to 200"),
            ("search", &"x".repeat(201), "1 to 200"),
        ] {
            let problem = asked(&[(name, value)]).unwrap_err();
            assert!(problem.contains(name) && problem.contains(word), "{problem}");
        }
        assert!(asked(&[("limit", "1"), ("limit", "2")]).unwrap_err().contains("twice"));
    }
}
