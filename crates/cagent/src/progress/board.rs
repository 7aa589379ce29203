//! What a job does right now, in a few rows: its plan, the step that runs with the end of what it
//! wrote, and what all of it took so far.
//!
//! Pure: how it looks follows from the events, the time and the size alone.

use std::time::Duration;

use jiff::Timestamp;
use types::{Event, EventKind, Plan, PlanState, StepKind, StepOutcome, UsageSample, Usd};

use super::painter::Size;
use super::row::{Look, Row};
use super::tail::Tail;
use crate::text;

/// The most rows of what a step wrote below a plan.
const TAIL: usize = 6;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// What is known of a job from its events.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) plan: Option<Plan>,
    pub(crate) step: Option<Step>,
    /// The end of what the last step wrote.
    pub(crate) tail: Tail,
    pub(crate) uses: UsageSample,
    doing: &'static str,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    steps: u32,
    tokens: u64,
    cost: Option<Usd>,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    number: u32,
    kind: StepKind,
    title: String,
    since: Timestamp,
}

impl Board {
    pub(crate) fn event(&mut self, Event { at, event, .. }: &Event) {
        match event {
            EventKind::Scheduled { .. } => {
                self.began = Some(*at);
                self.doing = "waiting for a free slot";
            }
            EventKind::Starting => self.doing = "making the sandbox",
            EventKind::Running { .. } => self.doing = "working",
            EventKind::NodeStarted { node, .. } => self.doing = doing(node),
            EventKind::StepStarted { step, kind, title, .. } => {
                let title = text::one_line(title);
                self.step = Some(Step { number: *step, kind: *kind, title, since: *at });
                self.tail = Tail::default();
            }
            EventKind::Output { text, .. } => self.tail.add(text.as_deref().unwrap_or_default()),
            EventKind::StepFinished { .. } => {
                self.steps += 1;
                self.step = None;
            }
            EventKind::ModelCall { call } => {
                self.tokens += call.usage.input_tokens + call.usage.output_tokens;
                self.cost = match (self.cost, call.cost_usd) {
                    (Some(sum), Some(cost)) => Some(sum.plus(cost)),
                    (sum, cost) => sum.or(cost),
                };
            }
            EventKind::Plan { plan } => self.plan = Some(plan.clone()),
            EventKind::Usage { usage } => self.uses = *usage,
            EventKind::CancelRequested => self.doing = "cancelling",
            EventKind::Packaging => {
                self.step = None;
                self.doing = "packing the result";
            }
            EventKind::Ended { .. } => {
                self.step = None;
                self.ended = Some(*at);
                self.doing = "over";
            }
            _ => {}
        }
    }

    /// Whether nothing will change any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// In no more rows than the terminal has beside the one above them.
    pub(crate) fn rows(&self, now: Timestamp, size: Size) -> Vec<Row> {
        let room = size.rows.saturating_sub(1).max(1);
        let mut rows = self.plan_rows((room.saturating_sub(2) / 2).max(1), self.shown_plan(room));
        rows.push(self.now_row(now));
        let left = room.saturating_sub(rows.len() + 1).min(TAIL);
        if self.step.is_some() {
            rows.extend(self.tail.rows(left));
        }
        rows.push(self.spent_row(now));
        let first = rows.len().saturating_sub(room);
        // One column stays free: a full row would begin a new one.
        let columns = size.columns.saturating_sub(1);
        rows.into_iter().skip(first).map(|row| row.cut(columns)).collect()
    }

    fn shown_plan(&self, room: usize) -> bool {
        room >= 5 && self.plan.as_ref().is_some_and(|plan| !plan.items.is_empty())
    }

    /// The plan around the item that is worked on.
    fn plan_rows(&self, most: usize, shown: bool) -> Vec<Row> {
        let Some(plan) = self.plan.as_ref().filter(|_| shown) else { return vec![] };
        let all = plan_rows(plan);
        let open = |state| matches!(state, PlanState::Active | PlanState::Open);
        let at = plan.items.iter().position(|item| open(item.state)).unwrap_or(all.len());
        let first = at.saturating_sub(most / 2).min(all.len().saturating_sub(most));
        all.into_iter().skip(first).take(most).collect()
    }

    /// What is done just now.
    fn now_row(&self, now: Timestamp) -> Row {
        let frame = usize::try_from(now.as_millisecond() / 100).unwrap_or(0) % SPINNER.len();
        let mark = if self.is_over() { '■' } else { SPINNER[frame] };
        let row = Row::of(Look::Good, format!("{mark} "));
        match &self.step {
            None => row.and(Look::Usual, self.doing),
            Some(step) => row
                .and(Look::Dim, format!("{} ", clock(between(step.since, now))))
                .and(Look::Bold, step.name())
                .and(Look::Usual, format!(" {}", step.title)),
        }
    }

    /// What it took so far.
    pub(crate) fn spent_row(&self, now: Timestamp) -> Row {
        let took = self.began.map(|began| clock(between(began, self.ended.unwrap_or(now))));
        let plan = self.plan.as_ref().filter(|plan| is_ticked(plan)).map(|plan| {
            let done = plan.items.iter().filter(|item| item.state == PlanState::Done).count();
            format!("{done}/{} done", plan.items.len())
        });
        let steps = (self.steps > 0).then(|| text::count(self.steps.into(), "step"));
        let tokens = (self.tokens > 0).then(|| format!("{} tokens", thousands(self.tokens)));
        let memory = self.uses.memory_bytes.filter(|_| self.ended.is_none()).map(text::size);
        let all = [took, plan, steps, tokens, self.cost.map(text::dollars), memory];
        Row::of(Look::Dim, all.into_iter().flatten().collect::<Vec<_>>().join(" · "))
    }

    /// How a step that ended went: one row, and below it the end of what it wrote if that may say
    /// why it failed.
    pub(crate) fn finished(
        &self,
        outcome: StepOutcome,
        code: Option<i32>,
        millis: u64,
    ) -> Vec<Row> {
        let (look, mark, word) = outcome_of(outcome);
        let name = self.step.as_ref().map(|step| format!("{} {}", step.name(), step.title));
        let code = code.filter(|code| *code != 0).map(|code| format!("exit code {code} · "));
        let took = text::took(Duration::from_millis(millis));
        let how = format!("  {word}{}{took}", code.unwrap_or_default());
        let row = Row::of(look, format!("{mark} "))
            .and(Look::Usual, name.unwrap_or_default())
            .and(Look::Dim, how);
        let why = if look == Look::Good { vec![] } else { self.tail.rows(TAIL) };
        [row].into_iter().chain(why).collect()
    }
}

impl Step {
    fn name(&self) -> String {
        format!("[{}] {}:", self.number, self.kind.as_str())
    }
}

/// Whether anybody said how far it is.
pub(crate) fn is_ticked(plan: &Plan) -> bool {
    plan.items.iter().any(|item| item.state != PlanState::Open)
}

/// A plan as a checklist.
pub(crate) fn plan_rows(plan: &Plan) -> Vec<Row> {
    let row = |item: &types::PlanItem| {
        let (look, mark, words) = match item.state {
            PlanState::Open => (Look::Dim, '○', Look::Usual),
            PlanState::Active => (Look::Odd, '▸', Look::Bold),
            PlanState::Done => (Look::Good, '✓', Look::Usual),
            PlanState::Dropped => (Look::Dim, '–', Look::Dim),
        };
        Row::of(look, format!("  {mark} ")).and(words, text::one_line(&item.text))
    };
    plan.items.iter().map(row).collect()
}

fn outcome_of(outcome: StepOutcome) -> (Look, char, &'static str) {
    match outcome {
        StepOutcome::Ok => (Look::Good, '✓', ""),
        StepOutcome::Tolerated => (Look::Odd, '✗', "failed, goes on · "),
        StepOutcome::Failed => (Look::Bad, '✗', "failed · "),
        StepOutcome::TimedOut => (Look::Bad, '✗', "timed out · "),
        StepOutcome::Cancelled => (Look::Odd, '–', "cancelled · "),
        StepOutcome::Rejected => (Look::Odd, '–', "rejected · "),
        StepOutcome::Interrupted => (Look::Bad, '✗', "interrupted · "),
    }
}

/// What the nodes of an agent's flow do, for people.
fn doing(node: &str) -> &'static str {
    match node {
        "analyse" => "reading the task…",
        "think" => "thinking…",
        "verify" => "checking what was made…",
        _ => "working…",
    }
}

/// Clocks differ; nothing took less than no time.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A time that counts up, in whole seconds.
fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => text::took(time),
    }
}

fn thousands(number: u64) -> String {
    if number < 10_000 {
        number.to_string()
    } else {
        format!("{}.{}k", number / 1000, number % 1000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use types::{PlanItem, Stream};

    use super::*;

    fn board(items: usize, output: &str) -> Board {
        let item = |at| PlanItem { text: format!("item {at} 世界"), state: PlanState::Open };
        let plan = Plan { items: (0..items).map(item).collect(), ..Plan::default() };
        let (title, text) = ("a title".to_owned(), Some(output.to_owned()));
        let started =
            EventKind::StepStarted { step: 1, kind: StepKind::Bash, title, line: 1, code: None };
        let output =
            EventKind::Output { step: 1, stream: Stream::Stdout, offset: 0, bytes: 0, text };
        let mut board = Board::default();
        for (seq, event) in (1..).zip([EventKind::Plan { plan }, started, output]) {
            board.event(&Event { seq, at: Timestamp::UNIX_EPOCH, event });
        }
        board
    }

    /// A full row would begin a new one, and a board of more rows than the terminal would scroll.
    #[test]
    fn it_fits_whatever_the_size() {
        let board = board(30, &"much 🦀\n\u{1b}[2J".repeat(1000));
        for (columns, rows) in [(1, 1), (2, 2), (40, 10), (80, 24), (200, 50)] {
            let drawn = board.rows(Timestamp::UNIX_EPOCH, Size { columns, rows });
            assert!(drawn.len() <= rows.saturating_sub(1).max(1), "{columns}x{rows}: {drawn:?}");
            for row in drawn {
                assert!(row.width() < columns.max(1), "{columns}x{rows}: {row:?}");
                assert!(!row.0.iter().any(|(_, text)| text.contains('\u{1b}')), "{row:?}");
            }
        }
    }
}
