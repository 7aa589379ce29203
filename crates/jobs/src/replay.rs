//! What an agent did, as a runbook that does it again without a model. Pure.
//!
//! What cannot be done again the same way (what did not come to an end, what only looked, what ran
//! beside other steps) is told in prose, so that no block does something else than what was done.
//!
//! Not here: how a runbook is written down ([`runbook::render`]).

use runbook::{Program, Work, render};
use types::{Ending, EventKind, JobStatus, StepKind, StepOutcome};

use crate::bound;

/// The most that all blocks come to, in bytes: what a prompt may have, or nobody could run it, and
/// room for a note about each step, and for two about all of them.
const MAX_BYTES: usize = crate::MAX_PROMPT_BYTES - (MAX_STEPS + 2) * MAX_NOTE_BYTES;

/// The longest note, in bytes.
const MAX_NOTE_BYTES: usize = 400;

/// Steps that are told of: as many as a runbook may have blocks.
const MAX_STEPS: usize = runbook::MAX_BLOCKS;

/// Reads a job's events, in their order.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// What is written so far.
    text: String,
    /// The step that was begun and whose end was not told yet.
    open: Option<Step>,
    /// Bytes of blocks in it.
    bytes: usize,
    steps: usize,
}

#[derive(Debug)]
struct Step {
    number: u32,
    kind: StepKind,
    title: String,
    code: Option<String>,
}

impl Replay {
    pub(crate) fn hear(&mut self, event: &EventKind) {
        match event {
            EventKind::StepStarted { step, kind, title, code, .. } => {
                self.interrupted();
                let (title, code) = (title.clone(), code.clone());
                self.open = Some(Step { number: *step, kind: *kind, title, code });
            }
            EventKind::StepFinished { step, outcome, exit_code, .. } => {
                if let Some(open) = self.open.take_if(|open| open.number == *step) {
                    self.tell(open, *outcome, *exit_code);
                }
            }
            _ => {}
        }
    }

    /// The runbook of what was heard, of a job that ended, or will end, like this.
    pub(crate) fn runbook(mut self, title: &str, ending: Option<&Ending>) -> String {
        self.interrupted();
        let failure = ending.filter(|ending| ending.status != JobStatus::Complete);
        let how = failure.map(how_it_ended).unwrap_or_default();
        if self.steps > MAX_STEPS {
            let more = self.steps - MAX_STEPS;
            self.text += &render::note(&format!("Not replayable: {more} more steps."));
        }
        render::opening(title) + &how + &self.text
    }

    fn interrupted(&mut self) {
        if let Some(open) = self.open.take() {
            self.tell(open, StepOutcome::Interrupted, None);
        }
    }

    fn tell(&mut self, step: Step, outcome: StepOutcome, exit_code: Option<i32>) {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return;
        }
        let (number, title) = (step.number, one_line(&step.title));
        let block = work(step, outcome, exit_code).and_then(|work| {
            let block = render::block(&title, &work).ok_or("a runbook cannot hold it")?;
            let fits = self.bytes + block.len() <= MAX_BYTES;
            if fits { Ok(block) } else { Err("the runbook would be too long") }
        });
        match block {
            Ok(block) => {
                self.bytes += block.len();
                self.text += &block;
            }
            Err(why) => {
                let note = format!("Not replayable: step {number}, {title}: {why}.");
                self.text += &render::note(&note);
            }
        }
    }
}

/// Whoever runs it again gets what failed again, and should know.
fn how_it_ended(Ending { status, reason, error, .. }: &Ending) -> String {
    let reason = serde_json::to_string(reason).unwrap_or_default();
    let error = one_line(error.as_deref().unwrap_or_default());
    render::note(&format!("This run ended as {status} ({}): {error}", reason.trim_matches('"')))
}

/// What does a step again, or why nothing does.
fn work(
    Step { kind, title, code, .. }: Step,
    outcome: StepOutcome,
    exit_code: Option<i32>,
) -> Result<Work, &'static str> {
    let ended = match outcome {
        StepOutcome::Ok | StepOutcome::Failed | StepOutcome::Tolerated => exit_code,
        StepOutcome::TimedOut => return Err("it ran too long and was stopped"),
        StepOutcome::Cancelled => return Err("it was stopped when the job was cancelled"),
        StepOutcome::Rejected => return Err("a person rejected it, and it was not run"),
        StepOutcome::Interrupted => return Err("nobody knows how it ended"),
    };
    let program = match kind {
        StepKind::Bash => Program::Bash,
        StepKind::Sh => Program::Sh,
        StepKind::Python => Program::Python,
        StepKind::TypeScript => Program::TypeScript,
        StepKind::JavaScript => Program::JavaScript,
        StepKind::File if outcome != StepOutcome::Ok => return Err("the file was not written"),
        StepKind::File => {
            let content = whole(code)?.into_bytes();
            return Ok(Work::File { path: beneath_workspace(title), content });
        }
        StepKind::Read => return Err("it only looked at something"),
        StepKind::Background => return Err("it ran beside the steps after it"),
        StepKind::Desktop => return Err("it looked at the desktop, or worked in it"),
        StepKind::Process => return Err("it dealt with a process that ran beside it"),
    };
    let code = whole(code)?;
    let expect_exit = ended.ok_or("it was not run to its end")?;
    let (timeout_seconds, continue_on_error, cwd) = (None, false, None);
    Ok(Work::Run { program, code, timeout_seconds, continue_on_error, expect_exit, cwd })
}

fn whole(code: Option<String>) -> Result<String, &'static str> {
    let code = code.ok_or("what it did is no text, or too long")?;
    if bound::is_cut(&code) { Err("it is too long for a runbook") } else { Ok(code) }
}

/// A runbook's paths are relative to where it works.
fn beneath_workspace(path: String) -> String {
    let beneath = path.strip_prefix(protocol::WORKSPACE).and_then(|path| path.strip_prefix('/'));
    beneath.map(str::to_owned).unwrap_or(path)
}

/// A title as a part of a sentence.
fn one_line(title: &str) -> String {
    let line = title.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use runbook::Runbook;
    use types::Reason;

    use super::*;

    fn step(
        replay: &mut Replay,
        kind: StepKind,
        title: &str,
        code: &str,
        ended: StepOutcome,
        exit: i32,
    ) {
        let step = u32::try_from(replay.steps).unwrap() + 1;
        let (title, code) = (title.to_owned(), Some(code.to_owned()));
        replay.hear(&EventKind::StepStarted { step, kind, title, line: 0, code });
        let (outcome, exit_code) = (ended, Some(exit));
        replay.hear(&EventKind::StepFinished { step, outcome, exit_code, millis: 1 });
    }

    fn run(program: Program, code: &str, expect_exit: i32) -> Work {
        let code = code.to_owned();
        let (timeout_seconds, continue_on_error, cwd) = (None, false, None);
        Work::Run { program, code, timeout_seconds, continue_on_error, expect_exit, cwd }
    }

    #[test]
    fn what_was_done_reads_as_the_same_steps() {
        use StepOutcome::{Cancelled, Failed, Interrupted, Ok, Rejected, TimedOut};
        let mut replay = Replay::default();
        step(&mut replay, StepKind::File, "fib.py", "print(1)\n", Ok, 0);
        step(&mut replay, StepKind::Bash, "try it", "python3 fib.py | grep 2\n", Failed, 1);
        step(&mut replay, StepKind::File, "/workspace/src/fib.py", "print(2)", Ok, 0);
        step(&mut replay, StepKind::Read, "fib.py", "", Ok, 0);
        step(&mut replay, StepKind::Background, "server", "sleep 9", Ok, 0);
        step(&mut replay, StepKind::Process, "server", "x", Ok, 0);
        for outcome in [TimedOut, Cancelled, Rejected, Interrupted] {
            step(&mut replay, StepKind::Bash, "```bash", "rm -rf /workspace", outcome, 1);
        }
        step(&mut replay, StepKind::File, "no.py", "x", Failed, 0);
        step(&mut replay, StepKind::Python, "check", "assert 1 + 1 == 2\n", Ok, 0);
        step(&mut replay, StepKind::TypeScript, "", "```\n", Failed, 137);
        replay.hear(&EventKind::StepStarted {
            step: 99,
            kind: StepKind::Bash,
            title: "still running".into(),
            line: 0,
            code: Some("never".into()),
        });
        let text = replay.runbook("Fibonacci\nnumbers", None);
        let read = Runbook::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(read.title.as_deref(), Some("Fibonacci numbers"));
        let works: Vec<_> = read.blocks.into_iter().map(|block| block.work).collect();
        let file =
            |path: &str, content: &[u8]| Work::File { path: path.into(), content: content.into() };
        let wanted = [
            file("fib.py", b"print(1)\n"),
            run(Program::Bash, "python3 fib.py | grep 2\n", 1),
            file("src/fib.py", b"print(2)"),
            run(Program::Python, "assert 1 + 1 == 2\n", 0),
            run(Program::TypeScript, "```\n", 137),
        ];
        assert_eq!(works, wanted, "{text}");
        assert_eq!(text.matches("Not replayable: step").count(), 9, "{text}");
        assert!(text.contains("step 99, still running: nobody knows"), "{text}");
    }

    #[test]
    fn it_can_always_be_run_again_as_far_as_its_length_goes() {
        let mut replay = Replay::default();
        for n in 0..1200 {
            let code = format!("echo {n}; {}\n", "`".repeat(400 + n));
            step(&mut replay, StepKind::Bash, &"ü`".repeat(2000), &code, StepOutcome::Ok, 0);
        }
        step(
            &mut replay,
            StepKind::Bash,
            "long",
            &bound::code("x".repeat(3_000_000)),
            StepOutcome::Ok,
            0,
        );
        let ending = Ending::error(Reason::ChecksFailed, "the tests\nfail");
        let text = replay.runbook("x", Some(&ending));
        assert!(
            text.contains("This run ended as error (checks_failed): the tests"),
            "{}",
            &text[..300]
        );
        assert!(text.len() <= crate::MAX_PROMPT_BYTES, "{}", text.len());
        assert!(Runbook::parse(&text).unwrap().blocks.len() > 100);
        assert!(text.contains("201 more steps"), "{}", &text[text.len() - 300..]);
    }

    #[test]
    fn a_run_without_steps_is_a_runbook_with_nothing_to_run() {
        let text = Replay::default().runbook("x", None);
        assert!(runbook::declares_runbook(&text), "{text}");
    }
}
