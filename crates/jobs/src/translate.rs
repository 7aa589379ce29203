//! What a batch of an agent's reports comes to. Pure, so that hostile batches can be tried without
//! a sandbox.
//!
//! Not here: how much of a report is kept ([`crate::bound`]).

use gateway::SinkError;
use jiff::Timestamp;
use protocol::{MAX_DATA_BYTES, Report, ReportKind, Verdict};
use store::Session;
use types::{Ending, EventKind, JobResult, Reason, Speaker, Stream, Waiting};

use crate::bound;

/// What a job's reports are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes of stdout and stderr together.
    pub(crate) output_bytes: u64,
    /// Steps an agent may begin; none if the blocks of a runbook are run.
    pub(crate) steps: Option<u32>,
}

/// How far a job's reports are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    pub(crate) session: Session,
    /// What the agent made.
    pub(crate) result: Option<JobResult>,
}

/// What is to be recorded and written.
#[derive(Debug)]
pub(crate) struct Batch {
    /// How far it is after it.
    pub(crate) progress: Progress,
    pub(crate) events: Vec<(Timestamp, EventKind)>,
    pub(crate) output: Output,
    /// What the job waits for after it, if that changed.
    pub(crate) waiting: Option<Option<Waiting>>,
}

#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// What new reports come to; those that were taken before are dropped. A step beyond the limit is
/// not taken, nor what comes after it: so its agent never begins it.
///
/// # Errors
/// When a number is missing.
pub(crate) fn translate(
    reports: Vec<Report>,
    progress: Progress,
    measure: Measure,
) -> Result<Batch, SinkError> {
    let output = Output::default();
    let mut batch = Batch { progress, events: vec![], output, waiting: None };
    for report in reports {
        let acked = batch.progress.session.acked;
        if report.n <= acked {
            continue;
        }
        if report.n != acked + 1 {
            let text = format!("report {} came where {} was expected", report.n, acked + 1);
            return Err(SinkError::Refused(text));
        }
        if batch.is_one_step_too_many(&report.report, measure) {
            break;
        }
        batch.progress.session.acked = report.n;
        batch.add(report.at, report.report, measure);
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, at: Timestamp, report: ReportKind, measure: Measure) {
        let session = &mut self.progress.session;
        let event = match report {
            ReportKind::NodeStarted { node, attempt } => {
                EventKind::NodeStarted { node: bound::text(node), attempt }
            }
            ReportKind::NodeFinished { node, action, error, millis } => EventKind::NodeFinished {
                node: bound::text(node),
                action: action.map(bound::text),
                error: error.map(bound::text),
                millis,
            },
            ReportKind::StepStarted { step, kind, title, line, code } => {
                session.open_step = Some(step);
                session.spend.steps += u32::from(measure.steps.is_some());
                self.waiting = Some(None);
                let (title, code) = (bound::text(title), code.map(bound::code));
                EventKind::StepStarted { step, kind, title, line, code }
            }
            ReportKind::StepFinished { step, outcome, exit_code, millis } => {
                session.open_step = None;
                EventKind::StepFinished { step, outcome, exit_code, millis }
            }
            ReportKind::Notice { level, text } => {
                EventKind::Notice { level, text: bound::text(text) }
            }
            ReportKind::Output { step, stream, data } => {
                return self.output(at, step, stream, data.0, measure.output_bytes);
            }
            ReportKind::Said { text } => {
                EventKind::Said { by: Speaker::Agent, text: bound::said(text) }
            }
            ReportKind::Plan { plan } => EventKind::Plan { plan: bound::plan(plan) },
            ReportKind::Waiting { waiting } => {
                let waiting = bound::waiting(waiting);
                self.waiting = Some(Some(waiting.clone()));
                EventKind::Waiting { waiting }
            }
            ReportKind::Result { result } => {
                let result = bound::result(result);
                self.progress.result = Some(result.clone());
                EventKind::Result { result }
            }
            ReportKind::Checkpoint(checkpoint) => {
                session.checkpoint = serde_json::to_value(checkpoint).ok();
                return;
            }
            ReportKind::Finished(verdict) => {
                let ending = match (verdict, measure.steps) {
                    (Verdict::Complete, Some(_)) => completed(self.progress.result.as_ref()),
                    (verdict, _) => ending(verdict),
                };
                session.verdict.get_or_insert(ending);
                return;
            }
        };
        self.events.push((at, event));
    }

    /// Decides that the job is over, if this report begins a step that it may not begin.
    fn is_one_step_too_many(&mut self, report: &ReportKind, measure: Measure) -> bool {
        let session = &mut self.progress.session;
        let begins = matches!(report, ReportKind::StepStarted { .. });
        let Some(most) = measure.steps.filter(|most| begins && session.spend.steps >= *most) else {
            return false;
        };
        let text = format!("the agent did {most} steps and was not done: limits.steps");
        session.verdict.get_or_insert(Ending::error(Reason::LimitSteps, text));
        true
    }

    fn output(&mut self, at: Timestamp, step: u32, stream: Stream, mut data: Vec<u8>, limit: u64) {
        let session = &mut self.progress.session;
        let written = session.stdout_bytes + session.stderr_bytes;
        let room = limit.saturating_sub(written);
        if data.len() as u64 > room {
            data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let text = format!("the job wrote more than {limit} bytes of output; the rest is lost");
            session.verdict.get_or_insert(Ending::error(Reason::LimitOutput, text));
        }
        if data.is_empty() {
            return;
        }
        let bytes = data.len() as u64;
        let (position, sink) = match stream {
            Stream::Stdout => (&mut session.stdout_bytes, &mut self.output.stdout),
            Stream::Stderr => (&mut session.stderr_bytes, &mut self.output.stderr),
        };
        let offset = *position;
        *position += bytes;
        sink.extend_from_slice(&data);
        if !self.joins_last(step, stream, bytes) {
            self.events.push((at, EventKind::Output { step, stream, offset, bytes, text: None }));
        }
    }

    /// Adds to the last event if that is the same output, still small: a job that writes byte by
    /// byte does not get an event for each.
    fn joins_last(&mut self, new_step: u32, new_stream: Stream, new_bytes: u64) -> bool {
        match self.events.last_mut() {
            Some((_, EventKind::Output { step, stream, bytes, .. }))
                if (*step, *stream) == (new_step, new_stream)
                    && *bytes + new_bytes <= MAX_DATA_BYTES as u64 =>
            {
                *bytes += new_bytes;
                true
            }
            _ => false,
        }
    }
}

/// What it means that an agent says its task is done.
fn completed(result: Option<&JobResult>) -> Ending {
    match result {
        None => {
            let text = "the agent said that it was done, and did not say what it made";
            Ending::error(Reason::AgentFailed, text)
        }
        Some(result) if bound::has_failed(result) => {
            let failed = result.checks.iter().filter(|check| !check.passed);
            let failed: Vec<_> = failed.map(|check| &*check.what).collect();
            let failed = failed.join("; ");
            let text = format!("the agent said that it was done, and checks failed: {failed}");
            Ending::error(Reason::ChecksFailed, bound::text(text))
        }
        Some(_) => Ending::complete(),
    }
}

fn ending(verdict: Verdict) -> Ending {
    match verdict {
        Verdict::Complete => Ending::complete(),
        Verdict::Cancelled => Ending::cancelled(),
        Verdict::StepFailed { exit_code, error, .. } => {
            Ending::error(Reason::StepFailed, bound::text(error)).with_exit_code(exit_code)
        }
        Verdict::StepTimeout { error, .. } => {
            Ending::error(Reason::StepTimeout, bound::text(error))
        }
        Verdict::GaveUp { reason, error } => {
            let reason = if may_give(reason) { reason } else { Reason::AgentFailed };
            Ending::error(reason, bound::text(error))
        }
        Verdict::Failed { error } => Ending::error(Reason::AgentFailed, bound::text(error)),
    }
}

/// Whether an agent can know of this reason: by itself, or because we told it.
fn may_give(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ChecksFailed
            | Reason::Stuck
            | Reason::ModelUnavailable
            | Reason::ModelRefused
            | Reason::ModelConfused
            | Reason::Rejected
            | Reason::LimitSteps
            | Reason::LimitModelCalls
            | Reason::LimitModelTokens
            | Reason::LimitCost
    )
}

#[cfg(test)]
mod tests {
    use protocol::Data;
    use types::{CheckResult, JobStatus, StepKind};

    use super::*;

    const RUNBOOK: Measure = Measure { output_bytes: 100, steps: None };
    const AGENT: Measure = Measure { output_bytes: 100, steps: Some(2) };

    /// What these reports come to, from the first on.
    fn taken(reports: Vec<ReportKind>, measure: Measure) -> Batch {
        let at = Timestamp::UNIX_EPOCH;
        let number = |(n, report)| Report { n, at, report };
        let reports = (1..).zip(reports).map(number).collect();
        translate(reports, Progress::default(), measure).unwrap()
    }

    fn step(step: u32) -> ReportKind {
        let (kind, title, code) = (StepKind::Bash, "ls".into(), Some("ls".into()));
        ReportKind::StepStarted { step, kind, title, line: 0, code }
    }

    fn result(passed: &[bool]) -> ReportKind {
        let check = |passed: &bool| CheckResult { passed: *passed, ..CheckResult::default() };
        let checks = passed.iter().map(check).collect();
        ReportKind::Result { result: JobResult { checks, ..JobResult::default() } }
    }

    fn verdict(reports: Vec<ReportKind>, measure: Measure) -> Ending {
        taken(reports, measure).progress.session.verdict.unwrap()
    }

    fn output(n: u64, stream: Stream, text: &str) -> Report {
        let report = ReportKind::Output { step: 1, stream, data: Data(text.into()) };
        Report { n, at: Timestamp::UNIX_EPOCH, report }
    }

    #[test]
    fn output_that_belongs_together_is_one_event() {
        let reports = vec![
            output(1, Stream::Stdout, "a"),
            output(2, Stream::Stdout, "b"),
            output(3, Stream::Stderr, "x"),
            output(4, Stream::Stdout, "c"),
        ];
        let batch = translate(reports, Progress::default(), RUNBOOK).unwrap();
        let lengths: Vec<u64> = batch
            .events
            .iter()
            .map(|(_, event)| match event {
                EventKind::Output { bytes, .. } => *bytes,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lengths, [2, 1, 1]);
        assert_eq!((&*batch.output.stdout, &*batch.output.stderr), (&b"abc"[..], &b"x"[..]));
        assert_eq!(batch.progress.session.acked, 4);
    }

    #[test]
    fn the_first_verdict_is_remembered() {
        let verdicts = [Verdict::Complete, Verdict::Cancelled].map(ReportKind::Finished);
        assert_eq!(verdict(verdicts.into(), RUNBOOK), Ending::complete());
    }

    #[test]
    fn what_was_taken_before_is_dropped_and_a_gap_is_refused() {
        let session = Session { acked: 2, stdout_bytes: 2, ..Session::default() };
        let taken = Progress { session, result: None };
        let again = vec![output(2, Stream::Stdout, "b"), output(3, Stream::Stdout, "c")];
        let batch = translate(again, taken.clone(), RUNBOOK).unwrap();
        assert_eq!(batch.output.stdout, b"c");
        let gap = vec![output(4, Stream::Stdout, "d")];
        assert!(translate(gap, taken, RUNBOOK).is_err());
    }

    #[test]
    fn a_step_beyond_the_limit_is_not_taken() {
        let said = ReportKind::Said { text: "on it".into() };
        let batch = taken(vec![step(1), step(2), said.clone(), step(3), said], AGENT);
        let session = batch.progress.session;
        assert_eq!((session.acked, session.spend.steps, batch.events.len()), (3, 2, 3));
        assert_eq!(session.verdict.unwrap().reason, Reason::LimitSteps);
        let batch = taken((1..=9).map(step).collect(), RUNBOOK);
        assert_eq!((batch.events.len(), batch.progress.session.spend.steps), (9, 0));
    }

    #[test]
    fn an_agent_is_done_only_with_a_result_whose_checks_passed() {
        let done = || ReportKind::Finished(Verdict::Complete);
        assert_eq!(verdict(vec![done()], AGENT).reason, Reason::AgentFailed);
        let failed = verdict(vec![result(&[true, false]), done()], AGENT);
        assert_eq!((failed.status, failed.reason), (JobStatus::Error, Reason::ChecksFailed));
        for checks in [&[][..], &[true]] {
            assert_eq!(verdict(vec![result(checks), done()], AGENT), Ending::complete());
        }
        let later = vec![result(&[false]), result(&[true]), done()];
        assert_eq!(verdict(later, AGENT), Ending::complete());
    }

    #[test]
    fn an_agent_gives_up_only_for_what_it_can_know() {
        for (given, kept) in [
            (Reason::Stuck, Reason::Stuck),
            (Reason::ModelRefused, Reason::ModelRefused),
            (Reason::LimitCost, Reason::LimitCost),
            (Reason::LimitWall, Reason::AgentFailed),
            (Reason::Finished, Reason::AgentFailed),
            (Reason::SandboxLost, Reason::AgentFailed),
        ] {
            let verdict = Verdict::GaveUp { reason: given, error: "x".repeat(10_000) };
            let ending = ending(verdict);
            assert_eq!((ending.status, ending.reason), (JobStatus::Error, kept));
            assert!(ending.error.unwrap().len() < 5000);
        }
    }

    #[test]
    fn a_step_that_begins_waits_for_nobody_any_more() {
        let (kind, title, code) = (StepKind::Bash, String::new(), None);
        let waiting = Waiting::Approval { step: 1, kind, title, code };
        let waits = ReportKind::Waiting { waiting: waiting.clone() };
        assert_eq!(taken(vec![waits.clone()], AGENT).waiting, Some(Some(waiting)));
        assert_eq!(taken(vec![waits, step(1)], AGENT).waiting, Some(None));
        assert_eq!(taken(vec![result(&[])], AGENT).waiting, None);
    }
}
