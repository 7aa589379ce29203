//! What Ctrl-C means to whoever follows a job at a terminal: one key answers.

use std::future::pending;
use std::io::{self, stdin};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::time::sleep;
use types::JobId;

use super::ask::has_input;
use crate::{complaint, job_name};

pub(super) const QUESTION: &str = "[c]ancel  [d]etach  other keys: go on";

/// How often to look for an answer: nobody notices.
const LOOK: Duration = Duration::from_millis(50);

/// What they meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Cancel,
    Detach,
    GoOn,
}

/// Keys come one by one and are not shown, until this is dropped. Ctrl-C stays what it is.
#[derive(Debug)]
pub(super) struct Leave {
    before: Termios,
}

impl Leave {
    pub(super) fn ask() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        // What was typed before the question answers nothing.
        retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Flush, &modes))?;
        Ok(Self { before })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Flush, &self.before));
    }
}

/// What they chose, if they are asked. May be dropped while it waits.
pub(super) async fn choice(asked: Option<&Leave>) -> io::Result<Choice> {
    if asked.is_none() {
        pending::<()>().await;
    }
    while !has_input(stdin())? {
        sleep(LOOK).await;
    }
    let mut keys = [0; 64];
    let read = retry_on_intr(|| rustix::io::read(stdin(), &mut keys))?;
    Ok(meant(&keys[..read]))
}

fn meant(keys: &[u8]) -> Choice {
    match keys {
        b"c" | b"C" => Choice::Cancel,
        b"d" | b"D" => Choice::Detach,
        _ => Choice::GoOn,
    }
}

/// Says how to see it again; `own` is whether the server leaves with us.
pub(super) fn say(job: JobId, own: bool) {
    let id = job_name::short(job);
    let then = if own { " once `cagent serve` runs" } else { "" };
    complaint::say(&format!(
        "left; the job goes on. `cagent watch {id}` shows it{then}, `cagent cancel {id}` stops it"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_its_key_ends_anything() {
        assert_eq!((meant(b"c"), meant(b"D")), (Choice::Cancel, Choice::Detach));
        for other in ["\u{1b}[C", "cd", "\n", "x", ""] {
            assert_eq!(meant(other.as_bytes()), Choice::GoOn, "{other:?}");
        }
    }
}
