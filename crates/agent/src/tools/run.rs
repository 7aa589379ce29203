//! Steps that run a program to its end: what a runbook's block would run, and what the model is
//! shown of it.

use std::fmt::Write as _;

use runbook::{Block, Program, Work};
use tokio_util::sync::CancellationToken;
use types::{Part, StepKind, StepOutcome};

use super::shown::Transcript;
use super::spill::Spill;
use super::{Done, Toolbox};
use crate::step::{Heading, Place, Ran, StepError};

/// The longest title, in characters.
const TITLE_CHARS: usize = 100;

/// Where and until when a step is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) step: u32,
    pub(super) place: &'a Place,
    pub(super) cancel: &'a CancellationToken,
}

impl Toolbox {
    pub(super) async fn run(
        &self,
        call: Call<'_>,
        program: Program,
        code: &str,
        timeout_seconds: u32,
    ) -> Result<Done, StepError> {
        let block = code_block(program, title(code), code, timeout_seconds);
        let heading = Heading::new(kind(program), &block.title, Some(code));
        let (ran, output) = self.run_block(call, &block, heading).await?;
        Ok(done(&ran, call.place, timeout_seconds, &output))
    }

    /// Runs a block as a step; what it wrote, as a model is shown it.
    pub(super) async fn run_block(
        &self,
        Call { step, place, cancel }: Call<'_>,
        block: &Block,
        heading: Heading,
    ) -> Result<(Ran, String), StepError> {
        let (mut heard, mut spill) = (Transcript::default(), Spill::new(step, &self.spilled));
        let hear = async |stream, bytes: &[u8]| {
            spill.keep(&self.runner, &heard.hear(stream, bytes)).await;
        };
        let ran = self.runner.run_heard(step, block, heading, place, cancel, hear).await?;
        spill.keep(&self.runner, &heard.finish()).await;
        Ok((ran, heard.take().text(&spill.whole(&self.runner))))
    }
}

/// A block as a runbook could have it.
pub(super) fn code_block(program: Program, title: String, code: &str, seconds: u32) -> Block {
    let work = Work::Run {
        program,
        code: code.into(),
        timeout_seconds: Some(seconds),
        continue_on_error: false,
        expect_exit: 0,
        cwd: None,
    };
    Block { line: 0, title, work }
}

/// The first line that says something.
pub(super) fn title(code: &str) -> String {
    let line = code.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut title: String = line.chars().take(TITLE_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}

fn kind(program: Program) -> StepKind {
    match program {
        Program::Bash => StepKind::Bash,
        Program::Sh => StepKind::Sh,
        Program::Python => StepKind::Python,
        Program::TypeScript => StepKind::TypeScript,
        Program::JavaScript => StepKind::JavaScript,
    }
}

fn done(ran: &Ran, place: &Place, timeout_seconds: u32, output: &str) -> Done {
    let mut text = how(ran, timeout_seconds);
    if ran.exit_code.is_some() && output.is_empty() {
        text.push_str(", no output");
    } else if !output.is_empty() {
        let _ = write!(text, "\n{}", output.trim_end_matches('\n'));
    }
    let moved = ran.place.as_ref().filter(|now| now.cwd != place.cwd);
    if let Some(now) = moved {
        let _ = write!(text, "\n[the current directory is now {}]", now.cwd);
    }
    if let Some(warning) = &ran.warning {
        let _ = write!(text, "\n[{warning}]");
    }
    Done::of(ran, vec![Part::text(text)])
}

/// How a step went, for the model.
pub(super) fn how(ran: &Ran, timeout_seconds: u32) -> String {
    let code = ran.exit_code.map(exit).unwrap_or_default();
    match ran.outcome {
        StepOutcome::Ok | StepOutcome::Failed | StepOutcome::Tolerated => code,
        StepOutcome::TimedOut => format!(
            "stopped after its timeout of {timeout_seconds} s with everything it started; {code}; \
             what came until then"
        ),
        StepOutcome::Cancelled => "the job was cancelled".into(),
        StepOutcome::Rejected => match &ran.rejected {
            Some(reason) => format!("a person rejected this step: {reason}"),
            None => "a person rejected this step, without a reason".into(),
        },
        StepOutcome::Interrupted => "interrupted".into(),
    }
}

fn exit(code: i32) -> String {
    match code - 128 {
        9 => format!("exit code {code} (killed; perhaps it took too much memory)"),
        signal @ 1..=31 => format!("exit code {code} (signal {signal})"),
        _ => format!("exit code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Environment;

    fn text(ran: &Ran, output: &str) -> String {
        let place = Place { cwd: "/workspace".into(), environment: Environment::new() };
        match &done(ran, &place, 600, output).parts[..] {
            [Part::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn says_how_it_went() {
        let ran = Ran { exit_code: Some(0), ..Ran::plain(true) };
        assert_eq!(text(&ran, ""), "exit code 0, no output");
        assert_eq!(text(&ran, "a\nb\n"), "exit code 0\na\nb");
        let place = Place { cwd: "/workspace/x".into(), environment: Environment::new() };
        let moved = Ran { place: Some(place), ..ran.clone() };
        assert_eq!(
            text(&moved, "a\n"),
            "exit code 0\na\n[the current directory is now /workspace/x]"
        );
        let late = Ran { outcome: StepOutcome::TimedOut, exit_code: Some(143), ..ran.clone() };
        assert!(text(&late, "a\n").starts_with("stopped after its timeout of 600 s"));
        let no = Ran { outcome: StepOutcome::Rejected, rejected: Some("no".into()), ..ran };
        assert_eq!(text(&Ran { exit_code: None, ..no }, ""), "a person rejected this step: no");
    }

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title("\n  ls -l \nrest"), "ls -l");
        assert_eq!(title(&"€".repeat(200)).chars().count(), TITLE_CHARS + 1);
        assert_eq!(title(""), "");
    }
}
