//! What the way a sandbox ended means for its job. Pure.

use engine::{Ended, EngineError, SandboxEnd};
use store::{Session, Spend};
use types::{Ending, EventKind, NoticeLevel, Reason, Usage};

const MEMORY: &str = "the kernel killed a process of the job: more memory than limits.memory_bytes";
const DISK: &str = "the job's workspace was full: more than limits.disk_bytes";
const UNKNOWN: &str = "how much the job's workspace held could not be measured, several times in a row, \
    so nothing kept it within limits.disk_bytes; leave processes and memory of its limits unused, or see \
    the server's log for what else failed";
const LOST: &str = "the server's disk was full, and some of what the job wrote is lost";
const WALL: &str = "the job ran longer than limits.wall_seconds allows";

/// What it means that a sandbox ended before its agent reported.
pub(crate) fn lost(ended: Result<Ended, EngineError>) -> Ending {
    let lost = |text: String| Ending::error(Reason::SandboxLost, text);
    match ended.map(|ended| ended.end) {
        Ok(SandboxEnd::WallTime) => Ending::error(Reason::LimitWall, WALL),
        Ok(SandboxEnd::DiskQuota) => Ending::error(Reason::LimitDisk, DISK),
        Ok(SandboxEnd::DiskUnknown) => Ending::error(Reason::LimitDisk, UNKNOWN),
        Ok(SandboxEnd::Exited { code }) => {
            lost(format!("its agent ended with exit code {code} before it reported a result"))
        }
        Ok(SandboxEnd::Stopped) => lost("its sandbox was stopped from outside".into()),
        Ok(SandboxEnd::Lost) => lost("its sandbox was killed from outside".into()),
        Err(e) => lost(e.to_string()),
    }
}

/// A job that ran out of memory or disk is told so, whatever followed from it.
pub(crate) fn refine(ending: Ending, ended: Option<Ended>) -> Ending {
    let Some(Ended { end, usage, disk_full, disk_lost }) = ended else { return ending };
    let failed =
        matches!(ending.reason, Reason::StepFailed | Reason::StepTimeout | Reason::SandboxLost);
    let oom = usage.oom_kills.is_some_and(|kills| kills > 0);
    let (reason, text) = match ending.reason {
        // A job that broke a limit is never complete; one that filled its disk and did not mind is.
        _ if oom && (failed || ending.reason == Reason::Finished) => (Reason::LimitMemory, MEMORY),
        _ if end == SandboxEnd::DiskQuota && ending.reason != Reason::Cancelled => {
            (Reason::LimitDisk, DISK)
        }
        _ if end == SandboxEnd::DiskUnknown && ending.reason != Reason::Cancelled => {
            (Reason::LimitDisk, UNKNOWN)
        }
        _ if disk_lost && (failed || ending.reason == Reason::Finished) => {
            (Reason::LimitDisk, LOST)
        }
        _ if disk_full && failed => (Reason::LimitDisk, DISK),
        _ => return ending,
    };
    // A code of 0 decided nothing.
    let exit_code = ending.exit_code.filter(|code| *code != 0);
    Ending { exit_code, ..Ending::error(reason, text) }
}

/// What a job used, as far as anybody knows; none if it had no sandbox.
pub(crate) fn used(ended: Option<Ended>, session: &Session) -> Option<Usage> {
    let known = ended.is_some() || session.key_hash.is_some();
    let spend = session.spend;
    // Most jobs ask no model; theirs stays null.
    let of_models = |amount: u64| (spend != Spend::default()).then_some(amount);
    known.then(|| Usage {
        model_calls: of_models(spend.model_calls.into()),
        input_tokens: of_models(spend.input_tokens),
        output_tokens: of_models(spend.output_tokens),
        cost_usd: spend.cost,
        output_bytes: Some(session.stdout_bytes + session.stderr_bytes),
        egress_sent_bytes: Some(session.sent_bytes),
        egress_received_bytes: Some(session.received_bytes),
        memory_bytes: None,
        processes: None,
        ..ended.map(|ended| ended.usage).unwrap_or_default()
    })
}

/// What people should know of what a job used.
pub(crate) fn remark(usage: &Usage) -> Option<EventKind> {
    let refused = usage.processes_refused.filter(|refused| *refused > 0)?;
    let text = match refused {
        1 => "1 new process was refused: limits.processes".into(),
        more => format!("{more} new processes were refused: limits.processes"),
    };
    Some(EventKind::Notice { level: NoticeLevel::Warning, text })
}

#[cfg(test)]
mod tests {
    use types::JobStatus;

    use super::*;

    fn ended(oom_kills: u64, disk_full: bool) -> Option<Ended> {
        let usage = Usage { oom_kills: Some(oom_kills), ..Usage::default() };
        Some(Ended { end: SandboxEnd::Stopped, usage, disk_full, disk_lost: false })
    }

    fn step_failed() -> Ending {
        Ending::error(Reason::StepFailed, "step 1").with_exit_code(1)
    }

    #[test]
    fn a_kill_for_want_of_memory_is_the_reason_whatever_followed() {
        for ending in [step_failed(), Ending::complete()] {
            let refined = refine(ending.clone(), ended(1, true));
            assert_eq!((refined.status, refined.reason), (JobStatus::Error, Reason::LimitMemory));
            assert_eq!(refined.exit_code, ending.exit_code.filter(|code| *code != 0));
            assert_eq!(refine(ending.clone(), ended(0, false)), ending);
        }
        assert_eq!(refine(Ending::cancelled(), ended(1, false)), Ending::cancelled());
    }

    #[test]
    fn a_full_workspace_is_the_reason_of_a_failure_only() {
        let refined = refine(step_failed(), ended(0, true));
        assert_eq!((refined.reason, refined.exit_code), (Reason::LimitDisk, Some(1)));
        assert_eq!(refine(Ending::complete(), ended(0, true)), Ending::complete());
        assert_eq!(refine(Ending::cancelled(), ended(0, true)), Ending::cancelled());
    }

    #[test]
    fn lost_writes_are_never_complete() {
        let lost = ended(0, true).map(|ended| Ended { disk_lost: true, ..ended });
        let refined = refine(Ending::complete(), lost);
        assert_eq!((refined.status, refined.reason), (JobStatus::Error, Reason::LimitDisk));
        assert_eq!(refine(Ending::cancelled(), lost), Ending::cancelled());
    }

    #[test]
    fn a_broken_quota_is_always_the_reason() {
        let (end, usage) = (SandboxEnd::DiskQuota, Usage::default());
        let quota = Ended { end, usage, disk_full: true, disk_lost: false };
        let unknown = Ended { end: SandboxEnd::DiskUnknown, disk_full: false, ..quota };
        for (ended, text) in [(quota, DISK), (unknown, UNKNOWN)] {
            for ending in [Ending::complete(), step_failed(), lost(Ok(ended))] {
                let refined = refine(ending, Some(ended));
                assert_eq!((refined.status, refined.reason), (JobStatus::Error, Reason::LimitDisk));
                assert_eq!(refined.error.as_deref(), Some(text));
            }
        }
        assert_eq!(refine(Ending::cancelled(), Some(quota)), Ending::cancelled());
    }

    #[test]
    fn what_went_through_us_is_part_of_what_was_used() {
        let session =
            Session { stdout_bytes: 2, stderr_bytes: 3, sent_bytes: 5, ..Session::default() };
        assert_eq!(used(None, &session), None);
        let usage = used(ended(1, false), &session).unwrap();
        assert_eq!((usage.oom_kills, usage.output_bytes), (Some(1), Some(5)));
        assert_eq!((usage.egress_sent_bytes, usage.egress_received_bytes), (Some(5), Some(0)));
        assert_eq!((usage.model_calls, usage.cost_usd), (None, None));
    }

    #[test]
    fn what_models_took_is_part_of_what_was_used() {
        let spend = Spend { model_calls: 2, input_tokens: 9, ..Spend::default() };
        let usage = used(ended(0, false), &Session { spend, ..Session::default() }).unwrap();
        assert_eq!((usage.model_calls, usage.input_tokens), (Some(2), Some(9)));
        assert_eq!((usage.output_tokens, usage.cost_usd), (Some(0), None), "no price, no cost");
    }

    #[test]
    fn refused_processes_are_told() {
        let usage = |refused| Usage { processes_refused: refused, ..Usage::default() };
        assert_eq!(remark(&usage(None)), None);
        assert_eq!(remark(&usage(Some(0))), None);
        assert!(
            matches!(remark(&usage(Some(7))), Some(EventKind::Notice { text, .. }) if text.starts_with("7 new"))
        );
    }
}
