//! Asks the person at the terminal whether a step may be run.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use types::Waiting;

/// What they said: `None` is yes, `Some` is why not.
pub(super) type Answer = Option<String>;

/// Whether somebody is there to ask.
pub(super) fn somebody() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks about a step and waits for the answer; none if they closed the terminal.
pub(super) async fn about(waiting: Waiting) -> Option<(u32, Answer)> {
    let Waiting::Approval { step, .. } = waiting;
    let answer = tokio::task::spawn_blocking(move || ask(step)).await;
    answer.ok().flatten().map(|answer| (step, answer))
}

fn ask(step: u32) -> Option<Answer> {
    let mut out = anstream::stdout();
    write!(out, "[{step}] run it? yes, or why not: ").and_then(|()| out.flush()).ok()?;
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(meant(&line)),
    }
}

/// Nothing but a clear yes lets it run.
fn meant(line: &str) -> Answer {
    match line.trim() {
        "y" | "Y" | "yes" | "Yes" => None,
        "" | "n" | "N" | "no" | "No" => Some("no".into()),
        why => Some(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert_eq!((meant("y\n"), meant("yes\n")), (None, None));
        assert_eq!(meant("\n"), Some("no".into()));
        assert_eq!(meant("use uv instead\n"), Some("use uv instead".into()));
    }
}
