//! What an agent says, plans and made, as lines for people.

use std::io::{self, Write};

use types::{CheckResult, JobResult, Plan, PlanState, Speaker};

use super::{BAD, BOLD, DIM, GOOD, INDENT, Progress};
use crate::text;

/// The most characters of what a check found; `cagent status` has more of it.
const FOUND_CHARS: usize = 100;

impl<W: Write> Progress<W> {
    pub(super) fn said(&mut self, by: Speaker, said: &str) -> io::Result<()> {
        let who = match by {
            Speaker::Agent => "agent",
            Speaker::Person => "you",
        };
        let said = text::plain(said);
        let mut lines = said.trim().lines();
        self.line(format_args!("{DIM}{who}:{DIM:#} {}", lines.next().unwrap_or_default()))?;
        lines.try_for_each(|line| self.line(format_args!("{INDENT}{line}")))
    }

    pub(super) fn plan(&mut self, plan: &Plan) -> io::Result<()> {
        self.line(format_args!("{BOLD}plan{BOLD:#}"))?;
        plan.items.iter().try_for_each(|item| {
            let mark = match item.state {
                PlanState::Open => ' ',
                PlanState::Active => '>',
                PlanState::Done => 'x',
                PlanState::Dropped => '-',
            };
            self.line(format_args!("{INDENT}[{mark}] {}", text::one_line(&item.text)))
        })
    }

    pub(super) fn result(&mut self, result: &JobResult) -> io::Result<()> {
        for check in &result.checks {
            let (style, word) = if check.passed { (GOOD, "checked") } else { (BAD, "not so") };
            self.line(format_args!("{style}{word}{style:#} {}", checked(check)))?;
        }
        self.verified = Some(result.verified);
        // What nothing proves is a claim.
        let claim = if result.verified { "" } else { "it says: " };
        self.line(format_args!("{DIM}{claim}{DIM:#}{}", text::plain(&result.summary).trim()))
    }
}

/// What was checked, and what was found where that is not so, on one line.
pub(crate) fn checked(check: &CheckResult) -> String {
    let what = text::one_line(&check.what);
    let found = check.found.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match text::short(found.trim(), FOUND_CHARS) {
        found if check.passed || found.is_empty() => what,
        found => format!("{what}: {found}"),
    }
}

#[cfg(test)]
mod tests {
    use types::{Ending, EventKind, PlanItem};

    use super::super::tests::shown;
    use super::*;

    #[test]
    fn a_plan_is_a_checklist() {
        let item = |text: &str, state| PlanItem { text: text.into(), state };
        let items = vec![item("write", PlanState::Done), item("test", PlanState::Active)];
        let plan = Plan { items, ..Plan::default() };
        assert_eq!(shown(vec![EventKind::Plan { plan }]), "plan\n    [x] write\n    [>] test\n");
    }

    #[test]
    fn the_last_line_says_whether_it_was_proven() {
        let last = |verified, ending| {
            let result = JobResult { verified, ..JobResult::default() };
            let text = shown(vec![EventKind::Result { result }, EventKind::Ended { ending }]);
            text.lines().last().unwrap().to_owned()
        };
        assert_eq!(last(true, Ending::complete()), "complete, verified: no ZIP");
        assert_eq!(last(false, Ending::complete()), "complete, not verified: no ZIP");
        let failed = Ending::error(types::Reason::ChecksFailed, "no");
        assert_eq!(last(false, failed), "error (checks_failed): no ZIP");
    }

    #[test]
    fn a_result_says_what_was_checked() {
        let check = |passed| CheckResult {
            what: "tests pass".into(),
            command: None,
            passed,
            found: format!("exit code 1\n{}", "more\n".repeat(100)),
        };
        let checks = vec![check(true), check(false)];
        let result = JobResult { summary: "made it".into(), checks, ..JobResult::default() };
        let text = shown(vec![EventKind::Result { result }]);
        let expected = "checked tests pass\nnot so tests pass: exit code 1\nit says: made it\n";
        assert_eq!(text, expected);
    }
}
