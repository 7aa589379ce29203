//! Everything the agent itself says to a model. `words.txt` shows it as a model reads it; a change
//! of either is a change to how every job goes, so it is reviewed as one.
//!
//! Not here: what tools are called and how their results read ([`crate::tools`]).

use types::CheckResult;

use super::manners::Kind;
use super::stuck::Circle;

/// The same in every question of every job, so that providers can cache it.
pub(super) const SYSTEM: &str = include_str!("system.md");

/// What a task begins with, when it is not a trivial one.
pub(super) const PLAN_FIRST: &str = "Before you do anything, call `plan`: what you will deliver, \
     the steps in order, and checks, shell commands that will show that the task is done. Keep it \
     short. You may change it at any time.";

/// What became of a plan.
pub(super) const PLANNED: &str = "noted";

/// What became of a claim that holds.
pub(super) const ACCEPTED: &str = "accepted";

/// What became of a claim that others of the same answer replaced.
pub(super) const SUPERSEDED: &str = "not looked at: finish was called again after it";

/// What became of a claim beside calls that failed.
pub(super) const NOT_ALONE: &str = "not accepted: another call of the same answer failed. Look at \
     its result, put it right, then call finish alone.";

/// What became of a claim when a person spoke meanwhile.
pub(super) const SPOKEN_TO: &str = "not yet: a person has said something meanwhile. Read it, do \
     what it asks, then finish again.";

/// What became of a call whose result an interruption took.
pub(super) const LOST: &str = "this was done before the agent was interrupted; its result is lost. \
     Look at the state of things before you repeat it.";

/// What is said to a model whose job was resumed.
pub(super) const RESUMED: &str = "Your sandbox was lost, and you go on in a new one. The workspace is \
     as it was; processes in the background, and files outside of the workspace, are gone. A step \
     without a result was interrupted: look how far it came before you repeat it.";

/// What became of a call that an interruption prevented.
pub(super) const NOT_DONE: &str = "not done: the agent was interrupted before it. Call it again if \
     it is still needed.";

/// What became of calls beyond what one answer may have.
pub(super) fn too_many(most: usize) -> String {
    format!("not done: one answer may have at most {most} calls. Call it again if it is needed.")
}

/// What became of a step that the agent could not do.
pub(super) fn broken(error: &str) -> String {
    format!("the agent could not do this: {error}")
}

/// What an answer of no use is met with.
pub(super) fn answer_to(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Calls => None,
        Kind::Prose => Some(
            "Nothing was done: your answer called no tool. Call the tool for the next step, or, if \
             the task is done and checked, call `finish`."
                .into(),
        ),
        Kind::Cut(tokens) => Some(format!(
            "Nothing was done: your answer was cut off at {tokens} tokens. Answer in smaller \
             pieces, for example write a long file in several parts."
        )),
        Kind::Flawed(flaw) => Some(flaw.clone()),
        Kind::Refused(_) => Some(
            "Nothing was done: your last answer was withheld. Go on with the task in other words; \
             if a part of it cannot be done, do the rest and say so when you finish."
                .into(),
        ),
    }
}

/// What a circle is met with, once.
pub(super) fn nudge(circle: Circle) -> &'static str {
    match circle {
        Circle::Repeat => {
            "You have made the same call three times and got the same result each time. It will \
             not change. Try something else: look at the cause, take another way, or wait longer \
             in one call if you are waiting. If there is no other way, finish and say what is \
             missing."
        }
        Circle::Round(_) => {
            "You go back and forth between the same calls, with the same results. Stop and \
             think about what you want to find out, then do something you have not done yet. If \
             there is nothing, finish and say what is missing."
        }
        Circle::Error => {
            "You got the same error three times in a row. What you change does not touch its \
             cause. Read it again word by word, look at the files it names, and try another way. \
             If there is none, finish and say what is missing."
        }
    }
}

/// Why a circle ended the job, for people.
pub(super) fn stuck(circle: Circle, seen: &str) -> String {
    let what = match circle {
        Circle::Repeat => "made the same call with the same result again and again",
        Circle::Round(_) => "went back and forth between the same calls with the same results",
        Circle::Error => "got the same error again and again",
    };
    format!("the agent {what}, also after it was told so; the last was {seen}")
}

/// What became of a claim that does not hold.
pub(super) fn rejected(checks: &[CheckResult]) -> String {
    let mut text = String::from("not accepted. What was found:\n");
    for check in checks {
        let (mark, found) = if check.passed { ("ok", "") } else { ("FAILED", &*check.found) };
        let what = check.command.as_deref().unwrap_or(&check.what);
        text += &format!("- {mark}: {what}{}{found}\n", if found.is_empty() { "" } else { ": " });
    }
    text + "Put it right and finish again. If a check itself is wrong, call `plan` with a better \
            one first."
}

/// Why claims that did not hold ended the job, for people.
pub(super) fn checks_failed(checks: &[CheckResult]) -> String {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| {
            format!("{} ({})", check.command.as_deref().unwrap_or(&check.what), check.found)
        })
        .collect();
    format!("the agent said that it was done, and still not so: {}", failed.join("; "))
}

/// The start of a text, if it is longer than this many bytes.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn what_is_said_to_models_is_reviewed() {
        let checks = [
            CheckResult {
                what: "the tests pass".into(),
                command: Some("pytest -q".into()),
                passed: false,
                found: "exit code 1: 1 failed".into(),
            },
            CheckResult {
                what: "fib.py is there".into(),
                command: None,
                passed: true,
                found: "120 bytes".into(),
            },
        ];
        let kinds = [
            Kind::Prose,
            Kind::Cut(8192),
            Kind::Flawed("(its flaw)".into()),
            Kind::Refused("no".into()),
        ];
        let mut said = vec![SYSTEM.to_owned(), PLAN_FIRST.into()];
        said.extend(kinds.iter().filter_map(answer_to));
        said.extend([Circle::Repeat, Circle::Round(2), Circle::Error].map(|c| nudge(c).to_owned()));
        let plain = [PLANNED, ACCEPTED, SUPERSEDED, NOT_ALONE, SPOKEN_TO, LOST, NOT_DONE];
        said.extend(plain.map(str::to_owned));
        said.extend([too_many(32), broken("no room"), rejected(&checks)]);
        said.push(checks_failed(&checks));
        said.push(stuck(Circle::Repeat, "shell {\"command\":\"ls\"}"));
        let mut made = String::new();
        for words in said {
            writeln!(made, "{}\n-----", words.trim_end()).unwrap();
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/task_flow/words.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let reviewed = std::fs::read_to_string(path).unwrap();
        assert!(made == reviewed, "words.txt is old; UPDATE=1 cargo test -p agent words");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aéz", 2), "a…");
        assert_eq!(cut("aéz", 3), "aé…");
        assert_eq!(cut("aéz", 4), "aéz");
    }
}
