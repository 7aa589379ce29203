//! A step that waits for a person: what it would do, the question, and what was decided.
//!
//! Not here: reading the answer (`commands::ask`).

use std::io::{self, Write};

use types::{JobId, Waiting};

use super::{BOLD, DIM, GOOD, INDENT, ODD, Open, Progress};
use crate::{job_name, text};

/// The most lines of a step that are shown. Who approves shall see it all; a file of many pages is
/// read elsewhere.
const SHOWN_LINES: usize = 200;

/// What a step that waits would do, for who decides about it.
pub(crate) fn shown(job: JobId, waiting: &Waiting) -> Vec<String> {
    let Waiting::Approval { step, .. } = waiting;
    let mut lines = vec![format!("{BOLD}[{step}]{BOLD:#} {}", heading(waiting))];
    lines.extend(code(job, waiting));
    lines
}

/// What a job waits for, in a few words.
pub(crate) fn in_short(waiting: &Waiting) -> String {
    let Waiting::Approval { step, .. } = waiting;
    format!("approval of step {step}, {}", heading(waiting))
}

fn heading(waiting: &Waiting) -> String {
    let Waiting::Approval { kind, title, .. } = waiting;
    format!("{}: {}", kind.as_str(), text::one_line(title))
}

/// Nothing if the title has it all.
fn code(job: JobId, waiting: &Waiting) -> Vec<String> {
    let Waiting::Approval { title, code, .. } = waiting;
    let code = text::exact(code.as_deref().unwrap_or_default());
    if code.trim() == text::one_line(title).trim() {
        return vec![];
    }
    let all: Vec<&str> = code.trim_end().lines().collect();
    let mut lines: Vec<_> =
        all.iter().take(SHOWN_LINES).map(|line| format!("{INDENT}{line}")).collect();
    if let Some(rest) = all.len().checked_sub(SHOWN_LINES).filter(|rest| *rest > 0) {
        let (rest, job) = (text::count(rest as u64, "more line"), job_name::short(job));
        lines.push(format!(
            "{INDENT}{DIM}… and {rest}: `cagent status -o json {job}` has them all{DIM:#}"
        ));
    }
    lines
}

impl<W: Write> Progress<W> {
    pub(super) fn approval(&mut self, waiting: &Waiting) -> io::Result<()> {
        let Waiting::Approval { step, .. } = waiting;
        self.line(format_args!("{ODD}[{step}] approve?{ODD:#} {}", heading(waiting)))?;
        code(self.job, waiting).iter().try_for_each(|line| self.line(format_args!("{line}")))
    }

    /// Asks about it; the answer is typed behind the question.
    pub(crate) fn ask(&mut self, step: u32) -> io::Result<()> {
        self.close_line()?;
        write!(self.out, "{ODD}[{step}]{ODD:#} [y]es / [n]o / or say why not: ")?;
        self.open = Open::Question;
        self.out.flush()
    }

    /// Somebody ended the line that was open, as Return and Ctrl-C do.
    pub(crate) fn typed(&mut self) {
        self.open = Open::Nothing;
    }

    /// The terminal showed `^C` where the line ends.
    pub(crate) fn interrupted(&mut self) -> io::Result<()> {
        match &mut self.open {
            Open::Passing(width) => {
                *width += 2;
                self.close_line()
            }
            _ => {
                self.typed();
                writeln!(self.out)
            }
        }
    }

    /// Says who can decide, since nobody here can.
    pub(crate) fn nobody(&mut self, why: &str) -> io::Result<()> {
        let job = job_name::short(self.job);
        self.line(format_args!("{DIM}{why}: waiting for `cagent approve {job}`{DIM:#}"))
    }

    /// Says that a question is gone.
    pub(crate) fn decided_elsewhere(&mut self, step: u32) -> io::Result<()> {
        self.line(format_args!(
            "{DIM}step {step} was decided elsewhere; what is typed here now answers nothing{DIM:#}"
        ))
    }

    pub(super) fn decided(
        &mut self,
        step: u32,
        approved: bool,
        why: Option<&str>,
    ) -> io::Result<()> {
        let why = why.map(|why| format!(": {}", text::one_line(why))).unwrap_or_default();
        let (style, word) = if approved { (GOOD, "approved") } else { (ODD, "rejected") };
        self.line(format_args!("{style}[{step}] {word}{style:#}{why}"))
    }
}

#[cfg(test)]
mod tests {
    use types::{EventKind, StepKind};

    use super::super::tests::shown as told;
    use super::*;

    fn waiting(title: &str, code: &str) -> Waiting {
        let (title, code) = (title.into(), Some(code.into()));
        Waiting::Approval { step: 3, kind: StepKind::Bash, title, code }
    }

    #[test]
    fn what_waits_is_shown_and_bounded() {
        let many = "echo \u{1b}[2J\n".repeat(210);
        let text = told(vec![EventKind::Waiting { waiting: waiting("echo", &many) }]);
        assert!(text.starts_with("[3] approve? bash: echo\n    echo"), "{text}");
        assert!(text.contains("… and 10 more lines") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_code_is_shown_unless_the_title_has_it_all() {
        let lines = |title, code| shown(JobId::generate(), &waiting(title, code)).len();
        assert_eq!(lines("ls -l", "ls -l\n"), 1);
        assert_eq!(lines("check: it is there", "test -e it"), 2);
        assert_eq!(lines("ls", "ls\nrm it"), 3);
    }

    /// What a terminal would swallow a shell runs.
    #[test]
    fn no_escape_sequence_hides_code() {
        let hidden = "echo \u{1b}]0; rm -r / \u{7}";
        let lines = shown(JobId::generate(), &waiting(hidden, hidden));
        assert!(lines[1].contains("rm -r /") && !lines[1].contains('\u{1b}'), "{lines:?}");
    }

    #[test]
    fn a_question_is_a_line_that_is_ended() {
        let mut out = Vec::new();
        let mut progress = Progress::begin(&mut out, JobId::generate()).unwrap();
        progress.ask(3).unwrap();
        progress.decided(3, true, None).unwrap();
        progress.ask(4).unwrap();
        progress.typed();
        progress.decided(4, false, Some("no")).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let text = String::from_utf8(text).unwrap();
        let question = "[y]es / [n]o / or say why not: ";
        let expected = format!("\n[3] {question}\n[3] approved\n[4] {question}[4] rejected: no\n");
        assert!(text.ends_with(&expected), "{text}");
    }
}
