//! How a job ended: as its work wants, or as what was done to its sandbox explains.

use jiff::{SignedDuration, Timestamp};
use types::{Event, EventKind, JobStatus, Reason};

use super::{Evidence, Kind, Violation};
use crate::load::Request;
use crate::strike::Done;

/// How long a loaded daemon may take to note that a container runs.
const NOTING: SignedDuration = SignedDuration::from_secs(1);

/// What may have been done to a job's sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// Nothing.
    None,
    /// It was killed.
    Struck,
    /// It had no room for a while.
    Full,
    /// Its container ran, and the daemon died before it had noted so: to the next daemon it never did.
    Unnoted,
}

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
    // Also a job that is to fail may have failed earlier, of what was done to it.
    let whole = as_wanted && job.status != JobStatus::Cancelled && !excuse.explains(end);
    log(work.stdout(), &evidence.stdout, whole)
}

impl Excuse {
    /// What was done, if anything was.
    pub(crate) fn find(request: &Request, evidence: &Evidence, done: &Done) -> Self {
        let overlaps = |(from, to): &_| request.began <= *to && *from <= request.ended;
        if done.struck.contains(&evidence.job.job_id) {
            Self::Struck
        } else if done.full.iter().any(overlaps) {
            Self::Full
        } else if request.engine == "docker"
            && done.away.iter().any(|away| began(&evidence.events, away))
        {
            Self::Unnoted
        } else {
            Self::None
        }
    }

    /// Whether it explains that a job ended like this.
    fn explains(self, end: (JobStatus, Option<Reason>)) -> bool {
        use Reason::{
            AgentFailed, Interrupted, LimitDisk, PackagingFailed, SandboxFailed, SandboxLost,
        };
        let (JobStatus::Error, Some(reason)) = end else { return false };
        match self {
            Self::None => false,
            Self::Struck => matches!(reason, Interrupted | SandboxFailed | SandboxLost),
            Self::Unnoted => matches!(reason, Interrupted),
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

/// Whether its agent said hello while the daemon may not have known yet that it runs, nor will.
fn began(events: &[Event], (killed, back): &(Timestamp, Timestamp)) -> bool {
    let is_hello = |event: &&Event| matches!(event.event, EventKind::Running { .. });
    let hello = events.iter().find(is_hello);
    hello.is_some_and(|hello| (*killed - NOTING..=*back).contains(&hello.at))
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
    use types::{Isolation, JobId, SandboxReport};

    use super::super::{Job, tests::request};
    use super::*;
    use crate::work::Work;

    #[test]
    fn a_log_is_whole_or_a_beginning() {
        assert_eq!(log("abc".into(), "abc", true), []);
        assert_eq!(log("abc".into(), "ab", false), []);
        assert_eq!(log("abc".into(), "ab", true)[0].kind, Kind::Lost);
        assert_eq!(log("abc".into(), "abcc", false)[0].kind, Kind::Doubled);
        assert_eq!(log("abc".into(), "ac", false)[0].kind, Kind::Lost);
    }

    #[test]
    fn a_dead_daemon_excuses_only_what_it_had_not_noted() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let began = |hello| {
            let (engine, isolation) = ("docker".into(), Isolation::Container);
            let sandbox = SandboxReport { engine, isolation, shortfalls: vec![] };
            let event = EventKind::Running { agent: "1".into(), sandbox };
            super::began(&[Event { seq: 1, at: at(hello), event }], &(at(100), at(103)))
        };
        assert_eq!([98, 99, 103, 104].map(began), [false, true, true, false]);
        assert!(!super::began(&[], &(at(100), at(103))));
    }

    #[test]
    fn a_full_disk_may_fail_a_job_sooner_than_it_would() {
        let job_id = JobId::generate();
        let (status, reason) = Work::Failing.end();
        let job = Job { job_id, status, reason: Some(reason), error: None };
        let evidence = Evidence { job, events: vec![], stdout: String::new(), zip: vec![] };
        let request = Request { work: Work::Failing, ..request("1", &[job_id]) };
        assert_eq!(check(&request, &evidence, Excuse::Full), []);
        for excuse in [Excuse::None, Excuse::Struck] {
            assert_eq!(check(&request, &evidence, excuse)[0].kind, Kind::Lost, "{excuse:?}");
        }
    }

    #[test]
    fn nothing_excuses_an_end_without_a_cause() {
        let lost = (JobStatus::Error, Some(Reason::SandboxLost));
        assert!(Excuse::Struck.explains(lost));
        assert!(!Excuse::None.explains(lost));
        assert!(!Excuse::Full.explains((JobStatus::Cancelled, Some(Reason::Cancelled))));
    }
}
