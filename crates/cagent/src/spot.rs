//! One end of `cagent cp`: a file in a job or one here.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use crate::job_name::JobName;

/// Where a file is, or shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// `JOB:PATH`, within the job's workspace.
    Job(JobName, String),
    /// Here.
    Local(PathBuf),
}

impl FromStr for Spot {
    type Err = Infallible;

    /// What does not begin as a job's name does is a path; `./` in front makes any text one.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let split = text.split_once(':');
        let job = split.and_then(|(job, path)| Some((job.parse().ok()?, path)));
        Ok(match job {
            Some((job, path)) => Self::Job(job, path.trim_start_matches('/').into()),
            None => Self::Local(text.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &str) -> Spot {
        let Ok(spot) = text.parse();
        spot
    }

    #[test]
    fn a_job_is_told_from_a_path() {
        let job = || "3d1e".parse().unwrap();
        assert_eq!(spot("3d1e:out/x.txt"), Spot::Job(job(), "out/x.txt".into()));
        assert_eq!(spot("3d1e:/x"), Spot::Job(job(), "x".into()));
        for text in ["x.txt", "./3d1e:x", "C:x", "-", "3d1e"] {
            assert_eq!(spot(text), Spot::Local(text.into()));
        }
    }
}
