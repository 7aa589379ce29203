//! A job's events as lines for people, while they happen.
//!
//! ```text
//! job 0199a2f0-…
//! [1] bash: Look around
//!     what the step wrote
//! [1] ok, 12 ms
//! complete, 1.2 s: 3 files, 1.4 KiB
//! ```
//!
//! On a terminal what is done now is drawn below them ([`checklist`]), by a [`board`] that others draw
//! too; [`view`] chooses.
//!
//! Not here: what an agent says ([`agent`]), the models it asks ([`model`]), steps that wait for a
//! person ([`approval`]), and how a job ends ([`ending`]).

pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod board;
mod checklist;
mod ending;
mod model;
pub(crate) mod painter;
pub(crate) mod report;
pub(crate) mod row;
mod tail;
pub(crate) mod view;

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use types::{
    Egress, EgressVerdict, Event, EventKind, JobId, NoticeLevel, SandboxReport, StepOutcome, Stream,
};

use crate::text;
use ending::packed;
use model::Asked;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default().bold();

const INDENT: &str = "    ";

/// Writes events as they come. Colours are always written; the stream removes them where they are
/// not wanted.
#[derive(Debug)]
pub(crate) struct Progress<W> {
    out: W,
    job: JobId,
    asked: Asked,
    began: Option<Timestamp>,
    /// The line that has no end yet.
    open: Open,
    /// Whether what an agent made was proven; none until it says that it is done.
    verified: Option<bool>,
    /// What the ZIP has in it, once it is there.
    packed: Option<String>,
}

/// A line that has no end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Output(Stream),
    /// Behind it somebody may be typing.
    Question,
    /// So many characters that go away when something else is told.
    Passing(usize),
}

impl<W: Write> Progress<W> {
    /// Says which job it is.
    pub(crate) fn begin(mut out: W, job: JobId) -> io::Result<Self> {
        writeln!(out, "{DIM}job{DIM:#} {job}")?;
        let (asked, open) = (Asked::default(), Open::Nothing);
        Ok(Self { out, job, asked, began: None, open, verified: None, packed: None })
    }

    /// Shows what happened.
    pub(crate) fn event(&mut self, Event { at, event, .. }: &Event) -> io::Result<()> {
        match event {
            EventKind::Scheduled { .. } => {
                self.began = Some(*at);
                Ok(())
            }
            EventKind::Running { sandbox, .. } => self.sandbox(sandbox),
            EventKind::StepStarted { step, kind, title, .. } => {
                let title = text::one_line(title);
                self.line(format_args!("{BOLD}[{step}] {}{BOLD:#}: {title}", kind.as_str()))
            }
            EventKind::Output { stream, text, .. } => {
                self.output(*stream, text.as_deref().unwrap_or_default())
            }
            EventKind::StepFinished { step, outcome, exit_code, millis } => {
                self.step_finished(*step, *outcome, *exit_code, *millis)
            }
            EventKind::Notice { level, text } => self.notice(*level, text),
            EventKind::Egress { egress } if egress.verdict != EgressVerdict::Allowed => {
                self.egress(egress)
            }
            EventKind::CancelRequested => self.line(format_args!("{ODD}cancelling{ODD:#}")),
            EventKind::Packaged { files, bytes, left_out } => {
                self.packed = Some(packed(*files, *bytes, *left_out));
                Ok(())
            }
            EventKind::Ended { ending } => self.ended(ending, *at),
            EventKind::ModelCall { call } => self.model_call(call),
            EventKind::Said { by, text } => self.said(*by, text),
            EventKind::Plan { plan } => self.plan(plan),
            EventKind::Waiting { waiting } => self.approval(waiting),
            EventKind::Decided { step, approved, reason } => {
                self.decided(*step, *approved, reason.as_deref())
            }
            EventKind::Desktop { taken } => {
                let what = if *taken { "took the desktop" } else { "gave the desktop back" };
                self.line(format_args!("{DIM}a person {what}{DIM:#}"))
            }
            EventKind::Result { result } => self.result(result),
            EventKind::NodeStarted { node, .. } => {
                self.asked.begins(node);
                Ok(())
            }
            EventKind::NodeFinished { .. } => {
                self.asked.ends();
                Ok(())
            }
            EventKind::Starting
            | EventKind::Egress { .. }
            | EventKind::Usage { .. }
            | EventKind::Packaging => Ok(()),
        }
    }

    /// Says that nothing happens yet, and why.
    pub(crate) fn waiting(&mut self) -> io::Result<()> {
        self.line(format_args!("{DIM}waiting for a free slot{DIM:#}"))
    }

    fn sandbox(&mut self, report: &SandboxReport) -> io::Result<()> {
        let missing: Vec<_> = report.shortfalls.iter().map(|s| s.what.as_str()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = text::one_line(&missing.join(", "));
        self.line(format_args!("{DIM}not enforced here: {missing} (see cagent doctor){DIM:#}"))
    }

    fn output(&mut self, stream: Stream, text: &str) -> io::Result<()> {
        let open = Open::Output(stream);
        if self.open != open {
            self.close_line()?;
        }
        for line in text::plain(text).split_inclusive('\n') {
            let indent = if self.open == open { "" } else { INDENT };
            write!(self.out, "{indent}{line}")?;
            self.open = if line.ends_with('\n') { Open::Nothing } else { open };
        }
        self.out.flush()
    }

    fn step_finished(
        &mut self,
        step: u32,
        outcome: StepOutcome,
        code: Option<i32>,
        millis: u64,
    ) -> io::Result<()> {
        let (style, word) = match outcome {
            StepOutcome::Ok => (GOOD, "ok"),
            StepOutcome::Tolerated => (ODD, "failed, goes on"),
            StepOutcome::Failed => (BAD, "failed"),
            StepOutcome::TimedOut => (BAD, "timed out"),
            StepOutcome::Cancelled => (ODD, "cancelled"),
            StepOutcome::Rejected => (ODD, "rejected"),
            StepOutcome::Interrupted => (BAD, "interrupted"),
        };
        let code = code.filter(|code| *code != 0).map(|code| format!(", exit code {code}"));
        let code = code.unwrap_or_default();
        let took = text::took(Duration::from_millis(millis));
        self.line(format_args!("{style}[{step}] {word}{style:#}{DIM}{code}, {took}{DIM:#}"))
    }

    fn notice(&mut self, level: NoticeLevel, text: &str) -> io::Result<()> {
        let (style, word) = match level {
            NoticeLevel::Info => (DIM, "note"),
            NoticeLevel::Warning => (ODD, "warning"),
        };
        self.line(format_args!("{style}{word}:{style:#} {}", text::plain(text).trim_end()))
    }

    fn egress(&mut self, egress: &Egress) -> io::Result<()> {
        let Egress { port, count, .. } = egress;
        let host = text::one_line(&egress.host);
        let why = text::one_line(egress.why.as_deref().unwrap_or("not allowed"));
        let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
        self.line(format_args!("{ODD}network:{ODD:#} {host}:{port}{times}: {why}"))
    }

    /// A line of ours.
    fn line(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.close_line()?;
        writeln!(self.out, "{text}")
    }

    fn close_line(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => Ok(()),
            Open::Output(_) | Open::Question => writeln!(self.out),
            // Not by an escape sequence: where nobody wants colours those are taken out.
            Open::Passing(width) => write!(self.out, "\r{:width$}\r", ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use types::{Ending, Mode, StepKind};

    use super::*;

    pub(super) fn shown(events: Vec<EventKind>) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::begin(&mut out, JobId::generate()).unwrap();
        for (seq, event) in (1u64..).zip(events) {
            let at = Timestamp::from_millisecond(i64::try_from(seq).unwrap() * 100).unwrap();
            progress.event(&Event { seq, at, event }).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let text = strip_str(&text).to_string();
        text.split_once('\n').unwrap().1.to_string()
    }

    fn output(stream: Stream, text: &str) -> EventKind {
        EventKind::Output { step: 1, stream, offset: 0, bytes: 0, text: Some(text.into()) }
    }

    fn finished(outcome: StepOutcome, exit_code: i32) -> EventKind {
        EventKind::StepFinished { step: 1, outcome, exit_code: Some(exit_code), millis: 5 }
    }

    #[test]
    fn a_good_job() {
        let text = shown(vec![
            EventKind::Scheduled { mode: Mode::Runbook },
            EventKind::StepStarted {
                step: 1,
                kind: StepKind::Bash,
                title: "Hello".into(),
                line: 3,
                code: None,
            },
            output(Stream::Stdout, "one\ntw"),
            output(Stream::Stdout, "o\n"),
            finished(StepOutcome::Ok, 0),
            EventKind::Packaged { files: 1, bytes: 100, left_out: 0 },
            EventKind::Ended { ending: Ending::complete() },
        ]);
        assert_eq!(
            text,
            "[1] bash: Hello\n    one\n    two\n[1] ok, 5 ms\ncomplete, 600 ms: 1 file, 100 bytes\n"
        );
    }

    #[test]
    fn lines_of_two_streams_and_of_ours_are_not_mixed() {
        let text = shown(vec![
            output(Stream::Stdout, "out"),
            output(Stream::Stderr, "err"),
            finished(StepOutcome::Failed, 3),
        ]);
        assert_eq!(text, "    out\n    err\n[1] failed, exit code 3, 5 ms\n");
    }
}
