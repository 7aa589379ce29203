//! What a batch of an agent's reports comes to. Pure, so that hostile batches can be tried without
//! a sandbox.

use gateway::SinkError;
use jiff::Timestamp;
use protocol::{MAX_DATA_BYTES, Report, ReportKind, Verdict};
use store::Session;
use types::{Ending, EventKind, Reason, Stream};

/// The longest text of a title, a name or an error that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// What is to be recorded and written.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The session after it.
    pub(crate) session: Session,
    pub(crate) events: Vec<(Timestamp, EventKind)>,
    pub(crate) output: Output,
}

#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// What new reports come to; those that were taken before are dropped.
///
/// # Errors
/// When a number is missing.
pub(crate) fn translate(
    reports: Vec<Report>,
    session: Session,
    output_limit: u64,
    now: Timestamp,
) -> Result<Batch, SinkError> {
    let mut batch = Batch { session, events: vec![], output: Output::default() };
    for report in reports {
        if report.n <= batch.session.acked {
            continue;
        }
        if report.n != batch.session.acked + 1 {
            let expected = batch.session.acked + 1;
            let text = format!("report {} came where {expected} was expected", report.n);
            return Err(SinkError::Refused(text));
        }
        batch.session.acked = report.n;
        // A sandbox's clock may not run ahead of ours.
        batch.add(report.at.min(now), report.report, output_limit);
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, at: Timestamp, report: ReportKind, output_limit: u64) {
        let event = match report {
            ReportKind::NodeStarted { node, attempt } => {
                EventKind::NodeStarted { node: cut(node), attempt }
            }
            ReportKind::NodeFinished { node, action, error, millis } => EventKind::NodeFinished {
                node: cut(node),
                action: action.map(cut),
                error: error.map(cut),
                millis,
            },
            ReportKind::StepStarted { step, kind, title, line } => {
                self.session.open_step = Some(step);
                EventKind::StepStarted { step, kind, title: cut(title), line }
            }
            ReportKind::StepFinished { step, outcome, exit_code, millis } => {
                self.session.open_step = None;
                EventKind::StepFinished { step, outcome, exit_code, millis }
            }
            ReportKind::Notice { level, text } => EventKind::Notice { level, text: cut(text) },
            ReportKind::Output { step, stream, data } => {
                return self.output(at, step, stream, data.0, output_limit);
            }
            ReportKind::Checkpoint(checkpoint) => {
                self.session.checkpoint = serde_json::to_value(checkpoint).ok();
                return;
            }
            ReportKind::Finished(verdict) => {
                self.session.verdict.get_or_insert(ending(verdict));
                return;
            }
        };
        self.events.push((at, event));
    }

    fn output(&mut self, at: Timestamp, step: u32, stream: Stream, mut data: Vec<u8>, limit: u64) {
        let written = self.session.stdout_bytes + self.session.stderr_bytes;
        let room = limit.saturating_sub(written);
        if data.len() as u64 > room {
            data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let text = format!("the job wrote more than {limit} bytes of output; the rest is lost");
            self.session.verdict.get_or_insert(Ending::error(Reason::LimitOutput, text));
        }
        if data.is_empty() {
            return;
        }
        let bytes = data.len() as u64;
        let (position, sink) = match stream {
            Stream::Stdout => (&mut self.session.stdout_bytes, &mut self.output.stdout),
            Stream::Stderr => (&mut self.session.stderr_bytes, &mut self.output.stderr),
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

fn ending(verdict: Verdict) -> Ending {
    match verdict {
        Verdict::Complete => Ending::complete(),
        Verdict::Cancelled => Ending::cancelled(),
        Verdict::StepFailed { exit_code, error, .. } => {
            Ending::error(Reason::StepFailed, cut(error)).with_exit_code(exit_code)
        }
        Verdict::StepTimeout { error, .. } => Ending::error(Reason::StepTimeout, cut(error)),
        Verdict::Failed { error } => Ending::error(Reason::AgentFailed, cut(error)),
    }
}

/// Bounds what a hostile agent can make us keep.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use protocol::Data;

    use super::*;

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
        let batch = translate(reports, Session::default(), 100, Timestamp::UNIX_EPOCH).unwrap();
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
        assert_eq!(batch.session.acked, 4);
    }

    #[test]
    fn the_first_verdict_is_remembered() {
        let verdict = |n, verdict| {
            let report = ReportKind::Finished(verdict);
            Report { n, at: Timestamp::UNIX_EPOCH, report }
        };
        let reports = vec![verdict(1, Verdict::Complete), verdict(2, Verdict::Cancelled)];
        let batch = translate(reports, Session::default(), 100, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(batch.session.verdict, Some(Ending::complete()));
    }

    #[test]
    fn what_was_taken_before_is_dropped_and_a_gap_is_refused() {
        let taken = Session { acked: 2, stdout_bytes: 2, ..Session::default() };
        let again = vec![output(2, Stream::Stdout, "b"), output(3, Stream::Stdout, "c")];
        let batch = translate(again, taken.clone(), 100, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(batch.output.stdout, b"c");
        let gap = vec![output(4, Stream::Stdout, "d")];
        assert!(translate(gap, taken, 100, Timestamp::UNIX_EPOCH).is_err());
    }
}
