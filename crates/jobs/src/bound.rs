//! How much of what a hostile agent reports is kept. Pure.

use types::{Check, CheckResult, JobResult, Plan, PlanItem, Waiting};

/// The longest text of a title, a name or an error that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The longest entry of a list, in bytes: a job's result is read with its status.
const MAX_ENTRY_BYTES: usize = 1024;

/// The longest summary, in bytes.
const MAX_SUMMARY_BYTES: usize = 16 * 1024;

/// The longest thing an agent says, in bytes.
const MAX_SAID_BYTES: usize = 64 * 1024;

/// The longest code of a step that is kept whole, in bytes; as long as a runbook may be.
pub(crate) const MAX_CODE_BYTES: usize = crate::MAX_PROMPT_BYTES;

/// The most entries of each list of a plan or a result.
const MAX_ENTRIES: usize = 100;

/// What stands where code was cut. Longer than any character, so that code that was cut is longer
/// than code that was not can be.
const CUT: &str = "… [cut]";

/// A title, a name, an error.
pub(crate) fn text(text: String) -> String {
    shorten(text, MAX_TEXT_BYTES)
}

/// What an agent says.
pub(crate) fn said(text: String) -> String {
    shorten(text, MAX_SAID_BYTES)
}

/// What a step runs or writes.
pub(crate) fn code(mut code: String) -> String {
    if code.len() > MAX_CODE_BYTES {
        code.truncate(code.floor_char_boundary(MAX_CODE_BYTES));
        code.push_str(CUT);
    }
    code
}

/// Whether code is not what was run.
pub(crate) fn is_cut(code: &str) -> bool {
    code.len() > MAX_CODE_BYTES
}

pub(crate) fn plan(plan: Plan) -> Plan {
    let item = |item: PlanItem| PlanItem { text: entry(item.text), ..item };
    let check = |check: Check| Check { what: entry(check.what), command: entry(check.command) };
    Plan {
        deliverables: list(plan.deliverables, entry),
        items: list(plan.items, item),
        checks: list(plan.checks, check),
    }
}

/// A result is verified only if something was checked and nothing failed, whatever it says.
pub(crate) fn result(result: JobResult) -> JobResult {
    let verified = result.verified && !result.checks.is_empty() && !has_failed(&result);
    let check = |check: CheckResult| CheckResult {
        what: entry(check.what),
        command: check.command.map(entry),
        found: entry(check.found),
        ..check
    };
    let mut checks = result.checks;
    if checks.len() > MAX_ENTRIES {
        // What failed must not be among what is left out.
        checks.sort_by_key(|check| check.passed);
    }
    JobResult {
        summary: shorten(result.summary, MAX_SUMMARY_BYTES),
        artifacts: list(result.artifacts, entry),
        checks: list(checks, check),
        verified,
    }
}

/// Whether a check of it failed.
pub(crate) fn has_failed(result: &JobResult) -> bool {
    result.checks.iter().any(|check| !check.passed)
}

pub(crate) fn waiting(waiting: Waiting) -> Waiting {
    let Waiting::Approval { step, kind, title, code: run } = waiting;
    Waiting::Approval { step, kind, title: text(title), code: run.map(code) }
}

fn entry(text: String) -> String {
    shorten(text, MAX_ENTRY_BYTES)
}

fn list<T>(list: Vec<T>, entry: impl Fn(T) -> T) -> Vec<T> {
    list.into_iter().take(MAX_ENTRIES).map(entry).collect()
}

fn shorten(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(passed: bool) -> CheckResult {
        CheckResult { what: "x".repeat(5000), passed, ..CheckResult::default() }
    }

    #[test]
    fn cut_code_is_told_from_code_that_ends_the_same() {
        let whole = format!("{}{CUT}", "x".repeat(MAX_CODE_BYTES - CUT.len()));
        assert!(!is_cut(&code(whole)));
        for character in ["x", "ü", "🦀"] {
            let long = character.repeat(MAX_CODE_BYTES);
            assert_eq!(is_cut(&code(long.clone())), long.len() > MAX_CODE_BYTES, "{character}");
        }
    }

    #[test]
    fn a_result_is_verified_only_if_all_its_checks_passed() {
        let of = |checks: Vec<CheckResult>| {
            result(JobResult { checks, verified: true, ..JobResult::default() })
        };
        assert!(of(vec![check(true)]).verified);
        assert!(!of(vec![]).verified);
        assert!(!of(vec![check(true), check(false)]).verified);
        let late = [vec![check(true); 100], vec![check(false)]].concat();
        let late = of(late);
        assert!(!late.verified && has_failed(&late) && late.checks.len() == 100);
        assert!(late.checks[0].what.len() < 2000);
    }

    #[test]
    fn lists_and_texts_are_bounded() {
        let item = PlanItem { text: "ü".repeat(5000), state: types::PlanState::Open };
        let plan = plan(Plan { items: vec![item; 500], ..Plan::default() });
        assert_eq!(plan.items.len(), 100);
        assert!(plan.items[0].text.len() < 1100);
    }
}
