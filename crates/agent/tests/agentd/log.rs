//! What agentd reports, as the gateway got it.

use protocol::{Checkpoint, Report, ReportKind, Verdict};
use types::{JobResult, ModelRequest, StepOutcome, Stream, Waiting};

/// What agentd said.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) reports: Vec<Report>,
    /// What the model was asked.
    pub(crate) questions: Vec<ModelRequest>,
    /// Questions that were given up before they were answered.
    pub(crate) taken_back: usize,
    pub(crate) hellos: usize,
    pub(crate) controls: usize,
    /// Batches that were recorded and never answered.
    pub(crate) unanswered: usize,
    /// Connections into the sandbox, or reasons against one, that nobody waited for.
    pub(crate) unwanted: usize,
    /// Reports that came twice.
    pub(crate) repeated: usize,
    /// What the protocol does not allow.
    pub(crate) wrong: Vec<String>,
    pub(crate) key_used: bool,
}

impl Log {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.reports.last().map(|report| &report.report) {
            Some(ReportKind::Finished(verdict)) => verdict.clone(),
            other => panic!("the last report is {other:?}"),
        }
    }

    pub(crate) fn output(&self, wanted: Stream) -> Vec<u8> {
        let mut bytes = Vec::new();
        for report in &self.reports {
            if let ReportKind::Output { stream, data, .. } = &report.report
                && *stream == wanted
            {
                bytes.extend_from_slice(&data.0);
            }
        }
        bytes
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output(Stream::Stdout)).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output(Stream::Stderr)).unwrap()
    }

    /// Outcome and exit code of every step, in order.
    pub(crate) fn steps(&self) -> Vec<(StepOutcome, Option<i32>)> {
        let step = |report: &Report| match report.report {
            ReportKind::StepFinished { outcome, exit_code, .. } => Some((outcome, exit_code)),
            _ => None,
        };
        self.reports.iter().filter_map(step).collect()
    }

    pub(crate) fn notices(&self) -> Vec<&str> {
        let mut notices = Vec::new();
        for report in &self.reports {
            if let ReportKind::Notice { text, .. } = &report.report {
                notices.push(text.as_str());
            }
        }
        notices
    }

    /// What the agent said it made.
    pub(crate) fn result(&self) -> Option<JobResult> {
        self.reports.iter().rev().find_map(|report| match &report.report {
            ReportKind::Result { result } => Some(result.clone()),
            _ => None,
        })
    }

    /// What it waits for, if that is the last it said.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        match &self.reports.last()?.report {
            ReportKind::Waiting { waiting } => Some(waiting.clone()),
            _ => None,
        }
    }

    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        let checkpoint = |report: &Report| match &report.report {
            ReportKind::Checkpoint(checkpoint) => Some(checkpoint.clone()),
            _ => None,
        };
        self.reports.iter().filter_map(checkpoint).collect()
    }

    pub(crate) fn record(&mut self, report: Report) {
        let next = self.reports.last().map_or(1, |last| last.n + 1);
        if report.n < next {
            self.repeated += 1;
        } else if report.n > next {
            self.wrong.push(format!("report {} after {}", report.n, next - 1));
        } else {
            self.reports.push(report);
        }
    }
}
