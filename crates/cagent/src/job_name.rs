//! How a job is named on the command line: by its id, or by enough of it to tell it from others.

use std::str::FromStr;

use anyhow::bail;
use api::JobSummary;
use types::JobId;

use crate::client::Client;
use crate::text;

/// The fewest characters of an id that name a job.
const LEAST: usize = 4;

/// A job as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobName {
    /// By its id.
    Whole(JobId),
    /// By the beginning or the end of its id. Ids begin with the time, so those of jobs that were
    /// made together differ at the end.
    Part(String),
}

impl FromStr for JobName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(id) => Ok(Self::Whole(id)),
            Err(_) if text.len() >= LEAST && text.chars().all(is_of_id) => {
                Ok(Self::Part(text.into()))
            }
            Err(e) => Err(format!("{e}, or at least {LEAST} characters of its beginning or end")),
        }
    }
}

impl JobName {
    /// The one job that has this name.
    pub(crate) async fn id(&self, client: &Client) -> anyhow::Result<JobId> {
        match self {
            Self::Whole(id) => Ok(*id),
            Self::Part(part) => the_one(part, &client.jobs().await?.jobs),
        }
    }
}

/// Enough of an id to name its job by, nearly always, and to be typed.
pub(crate) fn short(job: JobId) -> String {
    let id = job.to_string();
    id.rsplit('-').next().map_or_else(String::new, |end| end[end.len().saturating_sub(8)..].into())
}

fn is_of_id(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f' | '-')
}

fn the_one(part: &str, jobs: &[JobSummary]) -> anyhow::Result<JobId> {
    let has_it = |id: &String| id.starts_with(part) || id.ends_with(part);
    let found: Vec<_> = jobs.iter().filter(|job| has_it(&job.job_id.to_string())).collect();
    match found[..] {
        [job] => Ok(job.job_id),
        [] => bail!("there is no job whose id begins or ends with {part}; `cagent ps` lists them"),
        _ => {
            let row =
                |job: &&JobSummary| format!("\n{} {}", job.job_id, text::one_line(&job.title));
            let rows: String = found.iter().map(row).collect();
            bail!("{part} names {} jobs; use more of the id:{rows}", found.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(ids: &[&str]) -> Vec<JobSummary> {
        let job = |id: &&str| {
            serde_json::from_value(serde_json::json!({
                "job_id": id, "title": "a title", "status": "scheduled",
                "created": "2026-01-01T00:00:00Z",
            }))
        };
        ids.iter().map(|id| job(id).unwrap()).collect()
    }

    #[test]
    fn a_name_is_an_id_or_an_end_of_one() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse(), Ok(JobName::Whole(id)));
        assert!(id.to_string().ends_with(&short(id)) && short(id).len() == 8);
        assert_eq!(short(id).parse(), Ok(JobName::Part(short(id))));
        assert_eq!("3d1e".parse(), Ok(JobName::Part("3d1e".into())));
        for bad in ["", "3d1", "../../etc", "ABCD", "x.md"] {
            assert!(bad.parse::<JobName>().unwrap_err().contains("not a job id"), "{bad}");
        }
    }

    #[test]
    fn a_part_names_the_only_job_it_fits() {
        let (one, two) =
            ("018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f", "018f3f6e-7c1b-7b2e-9d3c-5a4b3c2d1e00");
        let jobs = jobs(&[one, two]);
        for part in ["1e0f", "018f3f6e-7c1a", "3c2d1e0f"] {
            assert_eq!(the_one(part, &jobs).unwrap().to_string(), one);
        }
        assert!(the_one("7b2e", &jobs).unwrap_err().to_string().contains("cagent ps"));
        let error = the_one("018f3f6e", &jobs).unwrap_err().to_string();
        assert!(error.contains(one) && error.contains(two) && error.contains("a title"), "{error}");
    }
}
