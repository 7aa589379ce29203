//! What an agent says, plans and asks, as lines for people.

use std::io::{self, Write};

use types::{
    CheckResult, JobResult, ModelCall, Plan, PlanState, Speaker, StepKind, TokenUsage, Usd, Waiting,
};

use super::{BAD, BOLD, DIM, GOOD, INDENT, ODD, Progress};
use crate::text;

/// The most lines of what would be run that are shown when it waits for approval.
const SHOWN_LINES: usize = 20;

/// What models took, all calls together.
#[derive(Debug, Default)]
pub(super) struct Spent {
    tokens: u64,
    cost: Option<Usd>,
}

impl Spent {
    fn add(&mut self, usage: &TokenUsage, cost: Option<Usd>) {
        self.tokens += usage.input_tokens + usage.output_tokens;
        self.cost = match (self.cost, cost) {
            (Some(sum), Some(cost)) => Some(sum.plus(cost)),
            (sum, cost) => sum.or(cost),
        };
    }

    /// For the last line; nothing if no model was called.
    pub(super) fn told(&self) -> String {
        let cost = self.cost.map(|cost| format!(", ${:.4}", cost.dollars())).unwrap_or_default();
        if self.tokens == 0 { String::new() } else { format!(", {} tokens{cost}", self.tokens) }
    }
}

impl<W: Write> Progress<W> {
    pub(super) fn model_call(&mut self, call: &ModelCall) -> io::Result<()> {
        self.spent.add(&call.usage, call.cost_usd);
        let Some(error) = &call.error else { return Ok(()) };
        let (provider, error) = (text::one_line(&call.provider), text::one_line(error));
        self.line(format_args!("{ODD}model:{ODD:#} {provider}: {error}"))
    }

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

    pub(super) fn approval(&mut self, waiting: &Waiting) -> io::Result<()> {
        let Waiting::Approval { step, kind, title, code } = waiting;
        let title = text::one_line(title);
        self.line(format_args!("{ODD}[{step}] approve?{ODD:#} {}: {title}", kind.as_str()))?;
        let code = text::plain(code.as_deref().unwrap_or_default());
        // Of one line the title says it all.
        let lines: Vec<&str> = code.lines().collect();
        if lines.len() > 1 || *kind == StepKind::File {
            for line in lines.iter().take(SHOWN_LINES) {
                self.line(format_args!("{INDENT}{line}"))?;
            }
        }
        let rest = lines.len().saturating_sub(SHOWN_LINES);
        if rest > 0 {
            self.line(format_args!(
                "{INDENT}{DIM}… and {}{DIM:#}",
                text::count(rest as u64, "line")
            ))?;
        }
        let job = self.job;
        self.line(format_args!(
            "{DIM}cagent approve {job}, or cagent approve {job} --reject REASON{DIM:#}"
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

    pub(super) fn result(&mut self, result: &JobResult) -> io::Result<()> {
        for CheckResult { what, passed, found, .. } in &result.checks {
            let (style, word) = if *passed { (GOOD, "checked") } else { (BAD, "not so") };
            let found =
                if *passed { String::new() } else { format!(": {}", text::one_line(found)) };
            self.line(format_args!("{style}{word}{style:#} {}{found}", text::one_line(what)))?;
        }
        if !result.verified {
            self.line(format_args!("{ODD}not verified{ODD:#}"))?;
        }
        self.line(format_args!("{}", text::plain(&result.summary).trim()))
    }
}

#[cfg(test)]
mod tests {
    use types::{EventKind, PlanItem};

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
    fn what_models_took_is_summed_up() {
        let mut spent = Spent::default();
        assert_eq!(spent.told(), "");
        let usage = TokenUsage { input_tokens: 1000, output_tokens: 234, ..TokenUsage::default() };
        spent.add(&usage, None);
        spent.add(&usage, Some(Usd { micros: 12_300 }));
        assert_eq!(spent.told(), ", 2468 tokens, $0.0123");
    }

    #[test]
    fn what_waits_is_shown_and_bounded() {
        let code = Some("echo \x1b[2J\n".repeat(30));
        let kind = StepKind::Bash;
        let waiting = Waiting::Approval { step: 3, kind, title: "echo".into(), code };
        let text = shown(vec![EventKind::Waiting { waiting }]);
        assert!(text.starts_with("[3] approve? bash: echo\n    echo"), "{text}");
        assert!(text.contains("… and 10 lines") && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn a_result_says_what_was_checked() {
        let check = |passed| CheckResult {
            what: "tests pass".into(),
            command: None,
            passed,
            found: "exit code 1".into(),
        };
        let checks = vec![check(true), check(false)];
        let result = JobResult { summary: "made it".into(), checks, ..JobResult::default() };
        let text = shown(vec![EventKind::Result { result }]);
        let expected =
            "checked tests pass\nnot so tests pass: exit code 1\nnot verified\nmade it\n";
        assert_eq!(text, expected);
    }
}
