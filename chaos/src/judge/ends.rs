//! How a job ended: as its work wants, or as what was done to its sandbox explains.

use types::{JobStatus, Reason};

use super::{Evidence, Excuse, Kind, Violation};
use crate::load::Request;

pub(crate) fn check(request: &Request, evidence: &Evidence, excuse: Excuse) -> Vec<Violation> {
    let (work, job) = (request.work, &evidence.job);
    let end = (job.status, job.reason);
    let (status, reason) = work.end();
    let as_wanted = end == (status, Some(reason));
    if request.cancelled && job.status != JobStatus::Cancelled {
        let what = format!("told to be cancelled, and ended as {end:?}");
        return vec![Violation::of(Kind::Wrong, what)];
    }
    if !as_wanted && !excuse.explains(end) {
        let what = format!("ended as {end:?} ({:?}), not {:?}", job.error, work.end());
        return vec![Violation::of(Kind::Wrong, what)];
    }
    log(work.stdout(), &evidence.stdout, as_wanted && job.status != JobStatus::Cancelled)
}

impl Excuse {
    /// Whether it explains that a job ended like this.
    fn explains(self, end: (JobStatus, Option<Reason>)) -> bool {
        use Reason::{
            AgentFailed, Interrupted, LimitDisk, PackagingFailed, SandboxFailed, SandboxLost,
        };
        let (JobStatus::Error, Some(reason)) = end else { return false };
        match self {
            Self::None => false,
            Self::Struck => matches!(reason, Interrupted | SandboxFailed | SandboxLost),
            Self::Away => matches!(reason, SandboxFailed),
            Self::Full => matches!(
                reason,
                AgentFailed
                    | Interrupted
                    | LimitDisk
                    | PackagingFailed
                    | SandboxFailed
                    | SandboxLost
                    | Reason::StepFailed
            ),
        }
    }
}

/// Word for word; a job that did not get to its end has the beginning of it.
fn log(expected: String, found: &str, whole: bool) -> Vec<Violation> {
    if found == expected || (!whole && expected.starts_with(found)) {
        return vec![];
    }
    let kind = match found.len() < expected.len() {
        true => Kind::Lost,
        false => Kind::Doubled,
    };
    let what = format!("{} bytes of its log of {}", found.len(), expected.len());
    vec![Violation::of(kind, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_whole_or_a_beginning() {
        assert_eq!(log("abc".into(), "abc", true), []);
        assert_eq!(log("abc".into(), "ab", false), []);
        assert_eq!(log("abc".into(), "ab", true)[0].kind, Kind::Lost);
        assert_eq!(log("abc".into(), "abcc", false)[0].kind, Kind::Doubled);
        assert_eq!(log("abc".into(), "ac", false)[0].kind, Kind::Lost);
    }

    #[test]
    fn nothing_excuses_an_end_without_a_cause() {
        let lost = (JobStatus::Error, Some(Reason::SandboxLost));
        assert!(Excuse::Struck.explains(lost));
        assert!(!Excuse::None.explains(lost));
        assert!(!Excuse::Full.explains((JobStatus::Cancelled, Some(Reason::Cancelled))));
    }
}
