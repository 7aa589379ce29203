//! The question whether a step may be run, and what the person at the terminal answers.
//!
//! An answer belongs to the question it was typed for: what was typed before it is thrown away, and
//! a question that is dropped reads nothing any more.

use std::future::pending;
use std::io::{self, IsTerminal as _, stdin, stdout};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::termios::{QueueSelector, tcflush};
use tokio::time::sleep;
use types::EventKind;

use crate::text;

/// The most bytes of a line that a terminal hands over.
const LINE_BYTES: usize = 4096;

/// How often to look for an answer: nobody notices.
const LOOK: Duration = Duration::from_millis(50);

/// What somebody decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// With why not, for the agent.
    No(String),
}

/// A question that is open.
#[derive(Debug)]
pub(super) struct Question {
    /// What it is about.
    pub(super) step: u32,
}

/// Whether somebody is there to ask.
pub(super) fn somebody() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

impl Question {
    /// Opens it.
    pub(super) fn about(step: u32) -> io::Result<Self> {
        tcflush(stdin(), QueueSelector::IFlush)?;
        Ok(Self { step })
    }

    /// Whether nobody needs an answer any more, since this happened.
    pub(super) fn is_over(&self, event: &EventKind) -> bool {
        match event {
            EventKind::Decided { step, .. } => *step == self.step,
            EventKind::CancelRequested | EventKind::Packaging | EventKind::Ended { .. } => true,
            _ => false,
        }
    }
}

/// The next line for the question that is open, if one is; none if they closed the terminal.
/// May be dropped while it waits; nothing is lost.
pub(super) async fn line(question: Option<&Question>) -> io::Result<Option<String>> {
    if question.is_none() {
        pending::<()>().await;
    }
    while !has_input(stdin())? {
        sleep(LOOK).await;
    }
    let mut line = [0; LINE_BYTES];
    let read = retry_on_intr(|| rustix::io::read(stdin(), &mut line))?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line[..read]).into_owned()))
}

/// Whether a read would not wait. A read that waits could not be taken back, and would get the answer
/// to the question after this one.
pub(super) fn has_input(terminal: impl AsFd) -> io::Result<bool> {
    let mut wanted = [PollFd::new(&terminal, PollFlags::IN)];
    // Ctrl-C interrupts even a look that does not wait.
    Ok(retry_on_intr(|| poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })))? > 0)
}

/// Nothing but a clear yes lets it run; who says nothing is asked again.
pub(super) fn meant(line: &str) -> Option<Answer> {
    let said = text::one_line(line);
    let said = said.trim();
    match said.to_lowercase().trim_end_matches(['.', '!']) {
        "" => None,
        "y" | "ye" | "yes" | "yep" | "yeah" | "yup" => Some(Answer::Yes),
        "n" | "no" | "nope" | "nah" => Some(Answer::No("no".into())),
        _ => Some(Answer::No(said.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "yes\n", " YES \n", "ye", "yep!\n"] {
            assert_eq!(meant(yes), Some(Answer::Yes), "{yes}");
        }
        for no in ["n\n", "no\n", "Nope\n"] {
            assert_eq!(meant(no), Some(Answer::No("no".into())), "{no}");
        }
        for why in ["use uv instead", "yes but with uv", "maybe", "don't"] {
            assert_eq!(meant(&format!("{why}\n")), Some(Answer::No(why.into())));
        }
    }

    #[test]
    fn who_says_nothing_is_asked_again() {
        assert_eq!((meant("\n"), meant("  \n"), meant("\u{1b}[A\n")), (None, None, None));
    }
}
