//! What a model claims when it is done, and what is made of that.
//!
//! Not here: running the checks ([`super::verify`]).

use serde::{Deserialize, Serialize};
use types::{Check, CheckResult, JobResult, Plan};

use super::words::cut;
use crate::tools::Finish;

/// The most checks that are run, and the most files that are looked for.
const MOST: usize = 20;

/// The longest summary, in bytes.
const MAX_SUMMARY_BYTES: usize = 8 * 1024;

/// The longest path, command or item of a plan, in bytes. They are part of every checkpoint.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// The most items of a plan.
const MOST_ITEMS: usize = 100;

/// How often a claim may fail and be made again.
const MORE_ROUNDS: u32 = 2;

/// A claim while it is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The place of the call that made it.
    pub(super) call: usize,
    pub(super) finish: Finish,
    /// What is run; the first `done.len()` of them are.
    checks: Vec<Check>,
    done: Vec<CheckResult>,
}

impl Claim {
    pub(super) fn new(call: usize, mut finish: Finish, plan: Option<&Plan>) -> Self {
        finish.summary = cut(&finish.summary, MAX_SUMMARY_BYTES);
        finish.artifacts.truncate(MOST);
        for path in &mut finish.artifacts {
            *path = cut(path, MAX_TEXT_BYTES);
        }
        let checks = checks(plan.map_or(&[][..], |plan| &plan.checks), &finish.checks);
        finish.checks.clear();
        Self { call, finish, checks, done: vec![] }
    }

    /// The check that comes next.
    pub(super) fn next(&self) -> Option<&Check> {
        self.checks.get(self.done.len())
    }

    /// What came of that check.
    pub(super) fn put(&mut self, result: CheckResult) {
        self.done.push(result);
    }

    /// What it comes to, with what was found of the files it names.
    pub(super) fn result(self, artifacts: Vec<CheckResult>) -> JobResult {
        let checks: Vec<CheckResult> = self.done.into_iter().chain(artifacts).collect();
        let verified = !checks.is_empty() && holds(&checks);
        let Finish { summary, artifacts, .. } = self.finish;
        JobResult { summary, artifacts, checks, verified }
    }
}

/// Whether nothing speaks against a result. Where nothing could be checked, nothing does.
pub(super) fn holds(checks: &[CheckResult]) -> bool {
    checks.iter().all(|check| check.passed)
}

/// Whether a claim that failed, as others before it, may be made again.
pub(super) fn may_try_again(failed: u32) -> bool {
    failed <= MORE_ROUNDS
}

/// The same plan, if it is of a sensible size; else what fits.
pub(super) fn bounded(mut plan: Plan) -> Plan {
    plan.items.truncate(MOST_ITEMS);
    plan.deliverables.truncate(MOST);
    plan.checks.retain(is_short);
    plan.checks.truncate(MOST);
    for text in plan.items.iter_mut().map(|item| &mut item.text).chain(&mut plan.deliverables) {
        *text = cut(text, MAX_TEXT_BYTES);
    }
    plan
}

fn is_short(check: &Check) -> bool {
    check.what.len() + check.command.len() <= MAX_TEXT_BYTES
}

/// What is to be run: what was planned, then what was named at the end; each once.
fn checks(planned: &[Check], named: &[Check]) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for check in planned.iter().chain(named) {
        let command = check.command.trim();
        let known = checks.iter().any(|known| known.command.trim() == command);
        if !known && is_short(check) && !cannot_fail(command) && checks.len() < MOST {
            checks.push(check.clone());
        }
    }
    checks
}

/// Whether a command succeeds whatever was done, as far as one sees at a glance: such a check shows
/// nothing. Quotes are not understood; who wants to be fooled can be.
fn cannot_fail(command: &str) -> bool {
    // Steps run with `-e` and `pipefail`: every command must succeed, but for what `||` excuses.
    // Either all of it succeeds, or nothing else is run before it leaves.
    command.split("||").any(|way| {
        let mut simple = way.split([';', '\n', '|', '&']);
        simple.find(|command| !always_succeeds(command) || leaves(command)).is_none_or(leaves)
    })
}

fn words(simple: &str) -> impl Iterator<Item = &str> {
    simple.trim_matches([' ', '\t', '{', '}', '(', ')']).split_whitespace()
}

fn leaves(simple: &str) -> bool {
    let mut words = words(simple);
    words.next() == Some("exit") && matches!(words.next(), None | Some("0"))
}

fn always_succeeds(simple: &str) -> bool {
    let mut words = words(simple);
    match words.next() {
        None | Some(":" | "true" | "echo" | "printf" | "sleep") => true,
        // Without a variable, a command's output or a file's name there is nothing to look at.
        Some("test" | "[") => !words.any(|word| word.starts_with('-') || word.contains(['$', '`'])),
        Some("exit") => matches!(words.next(), None | Some("0")),
        Some(word) => word.starts_with('#'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(command: &str) -> Check {
        Check { what: "it works".into(), command: command.into() }
    }

    fn found(passed: bool) -> CheckResult {
        CheckResult { passed, ..CheckResult::default() }
    }

    #[test]
    fn what_cannot_fail_is_no_check() {
        for command in [
            "",
            "true",
            " : ",
            "echo done",
            "exit 0",
            "exit",
            "pytest || true",
            "true && echo ok",
            "pytest || echo failed",
            "test -f x && echo yes || echo no",
            "# nothing",
            "{ true; }",
            "echo a | true",
            "echo a; echo b\nprintf c",
            "(exit 0)",
            "exit 0; pytest",
            "echo ok; exit; false",
            "test 1 = 1",
            "[ a = a ] && echo yes",
        ] {
            assert!(cannot_fail(command), "{command:?}");
        }
    }

    #[test]
    fn what_can_fail_is_one() {
        for command in [
            "pytest",
            "pytest; true",
            "test -f x && echo ok",
            "exit 1",
            "echo a | grep -q b",
            "test -f x || { echo missing; exit 1; }",
            "python3 main.py",
            "truely",
            "[ -s out ]",
            "grep -q 'a||b' f",
            "! true",
            "pytest; exit 0",
            "test \"$(cat f)\" = 1",
            "test -s out",
        ] {
            assert!(!cannot_fail(command), "{command:?}");
        }
    }

    #[test]
    fn planned_checks_come_first_and_each_once() {
        let plan = Plan { checks: vec![check("a"), check("b")], ..Plan::default() };
        let finish =
            Finish { checks: vec![check(" b "), check("true"), check("c")], ..Finish::default() };
        let mut claim = Claim::new(0, finish, Some(&plan));
        let mut commands = Vec::new();
        while let Some(check) = claim.next() {
            commands.push(check.command.clone());
            claim.put(found(true));
        }
        assert_eq!(commands, ["a", "b", "c"]);
    }

    #[test]
    fn nothing_checked_is_not_verified() {
        let result = Claim::new(0, Finish::default(), None).result(vec![]);
        assert!(!result.verified && holds(&result.checks));
    }

    #[test]
    fn two_more_rounds() {
        assert!(may_try_again(1) && may_try_again(2) && !may_try_again(3));
    }

    proptest! {
        #[test]
        fn verified_is_checked_and_found(
            commands in prop::collection::vec(any::<bool>(), 0..5),
            files in prop::collection::vec(any::<bool>(), 0..5),
        ) {
            let named = (0..commands.len()).map(|i| check(&format!("pytest {i}"))).collect();
            let mut claim = Claim::new(0, Finish { checks: named, ..Finish::default() }, None);
            for passed in &commands {
                prop_assert!(claim.next().is_some());
                claim.put(found(*passed));
            }
            prop_assert!(claim.next().is_none());
            let result = claim.result(files.iter().map(|passed| found(*passed)).collect());
            let all: Vec<bool> = commands.into_iter().chain(files).collect();
            prop_assert_eq!(result.checks.len(), all.len());
            prop_assert_eq!(result.verified, !all.is_empty() && all.iter().all(|passed| *passed));
        }

        #[test]
        fn checks_are_bounded(commands in prop::collection::vec("[a-z;|& ]{0,12}", 0..60)) {
            let all: Vec<Check> = commands.iter().map(|command| check(command)).collect();
            let kept = checks(&all, &all);
            let plan = Plan { checks: all, ..Plan::default() };
            prop_assert!(bounded(plan).checks.len() <= MOST);
            prop_assert!(kept.len() <= MOST);
            prop_assert!(kept.iter().all(|check| !cannot_fail(&check.command)));
        }
    }
}
