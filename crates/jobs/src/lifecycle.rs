//! What may happen to a job, and what follows from it. Pure.
//!
//! ```text
//!              Admit           Connected         Over             Packed, Removed
//! scheduled ─────────► starting ───────► running ─────► packaging ───────────────► complete
//!     │                   │                               ▲  │                     error
//!     └───── Cancel ──────┼─────────────── Over ──────────┘  └─ PackFailed,        cancelled
//!                         └ (Cancel: a wish, Over follows)      Removed
//! ```
//!
//! Why a job ends is decided once, on the way into `packaging`, and kept: whatever dies after that
//! cannot change it. A cancel that was accepted before that decides it.

use jiff::Timestamp;
use store::JobState;
use types::{Ending, EventKind, JobStatus, NoticeLevel, Reason, SandboxReport};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// A slot was free.
    Admit,
    /// Its agent said hello.
    Connected {
        /// agentd's version.
        agent: String,
        /// How its sandbox is protected.
        sandbox: SandboxReport,
    },
    /// Somebody wants it to stop.
    Cancel,
    /// The work is over, one way or another.
    Over(Ending),
    /// The ZIP is there.
    Packed {
        /// Files in it.
        files: u64,
        /// Its size in bytes.
        bytes: u64,
        /// Entries left out.
        left_out: u64,
    },
    /// There will be no ZIP.
    PackFailed(String),
    /// Its sandbox is gone.
    Removed,
    /// Its sandbox is gone but for the workspace, which waits for somebody who resumes it.
    Kept,
}

/// Something that cannot happen to a job as it is; it was left as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("a job that is {status} cannot take {input:?}")]
pub(crate) struct Impossible {
    /// Where the job is.
    pub status: JobStatus,
    /// What came.
    pub input: Input,
}

/// Applies what happened and says which events follow. An input that changes nothing (a second
/// cancel, a late verdict) yields no events.
///
/// # Errors
/// When the input makes no sense for the job's status.
pub(crate) fn apply(
    job: &mut JobState,
    input: Input,
    now: Timestamp,
) -> Result<Vec<EventKind>, Impossible> {
    use JobStatus::{Packaging, Running, Scheduled, Starting};
    Ok(match (job.status, input) {
        (Scheduled, Input::Admit) => {
            job.status = Starting;
            job.started = Some(job.not_before(now));
            vec![EventKind::Starting]
        }
        (Starting, Input::Connected { agent, sandbox }) => {
            job.status = Running;
            job.sandbox = Some(sandbox.clone());
            vec![EventKind::Running { agent, sandbox }]
        }
        // After a restart of the orchestrator the agent says hello again.
        (_, Input::Connected { .. }) => vec![],
        (Scheduled, Input::Cancel) => {
            job.cancel_requested = true;
            let mut events = vec![EventKind::CancelRequested];
            events.extend(over(job, Ending::cancelled()));
            events
        }
        (Starting | Running, Input::Cancel) if !job.cancel_requested => {
            job.cancel_requested = true;
            vec![EventKind::CancelRequested]
        }
        (_, Input::Cancel) => vec![],
        (Scheduled | Starting | Running, Input::Over(ending)) => over(job, ending),
        (_, Input::Over(_)) => vec![],
        (Packaging, Input::Packed { files, bytes, left_out }) if job.zip_bytes.is_none() => {
            job.zip_bytes = Some(bytes);
            vec![EventKind::Packaged { files, bytes, left_out }]
        }
        (Packaging, Input::PackFailed(error)) => pack_failed(job, error),
        (Packaging, Input::Removed) => ended(job, now, false),
        (Packaging, Input::Kept) => ended(job, now, true),
        (status, input) => return Err(Impossible { status, input }),
    })
}

/// Applies what happened to a draft and appends the events that follow.
///
/// # Errors
/// As [`apply`].
pub(crate) fn apply_to(draft: &mut store::Draft, input: Input) -> Result<(), Impossible> {
    for event in apply(&mut draft.state, input, draft.now)? {
        draft.append(draft.now, event);
    }
    Ok(())
}

/// Whether a job's work is over: nobody is there any more who could be told anything.
pub(crate) fn is_over(status: JobStatus) -> bool {
    status == JobStatus::Packaging || status.is_final()
}

fn over(job: &mut JobState, ending: Ending) -> Vec<EventKind> {
    job.status = JobStatus::Packaging;
    job.waiting = None;
    job.ending = Some(match (job.cancel_requested, ending.status) {
        (true, _) => Ending::cancelled(),
        (false, JobStatus::Cancelled) => {
            Ending::error(Reason::AgentFailed, "the agent stopped though nobody asked it to")
        }
        (false, _) => ending,
    });
    vec![EventKind::Packaging]
}

fn pack_failed(job: &mut JobState, error: String) -> Vec<EventKind> {
    let text = format!("the result could not be packed: {error}");
    // What went wrong first stays the reason.
    if job.ending.as_ref().is_none_or(|ending| ending.status == JobStatus::Complete) {
        job.ending = Some(Ending::error(Reason::PackagingFailed, text.clone()));
    }
    vec![EventKind::Notice { level: NoticeLevel::Warning, text }]
}

fn ended(job: &mut JobState, now: Timestamp, kept: bool) -> Vec<EventKind> {
    let unknown = || Ending::error(Reason::Interrupted, "nobody recorded how the job ended");
    let ending = job.ending.get_or_insert_with(unknown).clone();
    job.status = ending.status;
    // By the clock as it is, though that may be before it began: by that clock it is forgotten.
    job.completed = Some(now);
    job.retire(kept);
    vec![EventKind::Ended { ending }]
}

/// How far a job is that can only go on.
#[cfg(test)]
pub(crate) fn rank(status: JobStatus) -> u8 {
    match status {
        JobStatus::Scheduled => 0,
        JobStatus::Starting => 1,
        JobStatus::Running => 2,
        JobStatus::Packaging => 3,
        JobStatus::Complete | JobStatus::Error | JobStatus::Cancelled => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Isolation;

    use super::*;

    fn report() -> SandboxReport {
        SandboxReport { engine: "fake".into(), isolation: Isolation::None, shortfalls: vec![] }
    }

    fn connected() -> Input {
        Input::Connected { agent: "1".into(), sandbox: report() }
    }

    fn packed() -> Input {
        Input::Packed { files: 1, bytes: 100, left_out: 0 }
    }

    fn play(inputs: &[Input]) -> (JobState, Vec<EventKind>) {
        let mut job = JobState::new(Timestamp::UNIX_EPOCH);
        let mut events = vec![];
        for input in inputs {
            events
                .extend(apply(&mut job, input.clone(), Timestamp::UNIX_EPOCH).unwrap_or_default());
        }
        (job, events)
    }

    #[test]
    fn a_clock_that_jumps_back_turns_nothing_around() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut job = JobState::new(at(100));
        apply(&mut job, Input::Admit, at(50)).unwrap();
        assert_eq!(job.started, Some(at(100)));
        job.started = Some(at(200));
        assert_eq!(job.not_before(at(150)), at(200));
        assert_eq!(job.not_before(at(250)), at(250));
    }

    #[test]
    fn a_good_job_goes_through_every_status() {
        let over = Input::Over(Ending::complete());
        let (job, events) = play(&[Input::Admit, connected(), over, packed(), Input::Removed]);
        assert_eq!(job.status, JobStatus::Complete);
        assert_eq!(job.zip_bytes, Some(100));
        assert_eq!(events.last(), Some(&EventKind::Ended { ending: Ending::complete() }));
    }

    #[test]
    fn how_long_its_logs_are_is_known_after_its_end() {
        let mut job = JobState::new(Timestamp::UNIX_EPOCH);
        job.status = JobStatus::Packaging;
        (job.session.stdout_bytes, job.session.acked) = (2, 3);
        apply(&mut job, Input::Removed, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((job.session.stdout_bytes, job.session.acked), (2, 0));
    }

    #[test]
    fn a_scheduled_job_is_cancelled_and_packaged_at_once() {
        let (job, events) = play(&[Input::Cancel]);
        assert_eq!(job.status, JobStatus::Packaging);
        assert_eq!(events, [EventKind::CancelRequested, EventKind::Packaging]);
        assert_eq!(play(&[Input::Cancel, packed(), Input::Removed]).0.status, JobStatus::Cancelled);
    }

    #[test]
    fn a_cancel_that_was_accepted_decides_even_if_the_work_succeeds() {
        let over = Input::Over(Ending::complete());
        let (job, _) =
            play(&[Input::Admit, connected(), Input::Cancel, over, packed(), Input::Removed]);
        assert_eq!(job.status, JobStatus::Cancelled);
    }

    #[test]
    fn a_cancel_while_packaging_comes_too_late() {
        let over = Input::Over(Ending::complete());
        let (job, events) = play(&[Input::Admit, connected(), over, Input::Cancel]);
        assert!(!job.cancel_requested);
        assert_eq!(events.last(), Some(&EventKind::Packaging));
    }

    #[test]
    fn a_job_without_its_zip_is_not_complete() {
        let over = Input::Over(Ending::complete());
        let failed = Input::PackFailed("disk full".into());
        let (job, _) = play(&[Input::Admit, connected(), over, failed, Input::Removed]);
        assert_eq!(job.ending.unwrap().reason, Reason::PackagingFailed);
        assert_eq!(job.status, JobStatus::Error);
    }

    fn any_input() -> impl Strategy<Value = Input> {
        prop_oneof![
            Just(Input::Admit),
            Just(connected()),
            Just(Input::Cancel),
            Just(Input::Over(Ending::complete())),
            Just(Input::Over(Ending::error(Reason::StepFailed, "x"))),
            Just(packed()),
            Just(Input::PackFailed("x".into())),
            Just(Input::Removed),
            Just(Input::Kept),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens(inputs in prop::collection::vec(any_input(), 0..40)) {
            let mut job = JobState::new(Timestamp::UNIX_EPOCH);
            let mut ends = 0;
            for input in inputs {
                let before = job.clone();
                match apply(&mut job, input.clone(), Timestamp::UNIX_EPOCH) {
                    // What cannot happen changes nothing.
                    Err(_) => prop_assert_eq!(&job, &before),
                    Ok(events) => {
                        prop_assert!(rank(job.status) >= rank(before.status), "no way back");
                        let last = events.iter().filter(|e| matches!(e, EventKind::Ended { .. }));
                        ends += last.count();
                        // Nothing is said of a job that is over.
                        prop_assert!(!before.status.is_final() || events.is_empty());
                    }
                }
                prop_assert_eq!(job.status.is_final(), job.completed.is_some());
                prop_assert!(!job.kept || job.status.is_final());
                prop_assert_eq!(ends, usize::from(job.status.is_final()), "one end");
                if rank(job.status) >= 3 {
                    let ending = job.ending.clone().unwrap();
                    prop_assert!(!job.cancel_requested || ending.status == JobStatus::Cancelled);
                    prop_assert!(!job.status.is_final() || ending.status == job.status);
                    let complete = job.status == JobStatus::Complete;
                    prop_assert!(!complete || job.completed.is_some());
                }
            }
        }
    }
}
