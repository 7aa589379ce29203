//! The turns of a view: what [`super::layout`] chose, read from the log and woven together so that
//! every provider takes it ([`super::weave`]).
//!
//! Every turn with calls is followed by one result for each, in order. The plan stands at the end,
//! so that what comes before it can be cached.

use std::cell::RefCell;
use std::collections::BTreeMap;

use types::{ModelTurn, Part, Plan, PlanState, Replay, ToolResult, Turn};

use super::Entry;
use super::cut::{cut, cut_arguments, text_size};
use super::ladder::Choice;
use super::layout::{Layout, Unit, index};
use super::memory::Memory;
use super::sketch::{Detail, Outcome, Sketch};
use super::weave::Weave;

const CHANGED: &str = "[changed on disk]";
const NOTHING: &str = "[nothing]";
/// What is left of a turn with a longer text is kept, in bytes: it is far less than that.
const LONG: usize = 4000;

/// Turns in which only the beginning and the end of long texts are left, by their number.
pub(super) type Shorts = BTreeMap<u64, ModelTurn>;

/// Makes views.
#[derive(Debug)]
pub(super) struct View<'m, R> {
    pub(super) memory: &'m Memory,
    pub(super) layout: &'m Layout<'m>,
    pub(super) choice: Choice,
    /// What is left of long turns that are not shown whole any more: read once, not every time.
    pub(super) shorts: &'m RefCell<Shorts>,
    /// Reads an entry; `None` if it is lost.
    pub(super) read: R,
}

impl<R: Fn(u64) -> Option<Entry>> View<'_, R> {
    pub(super) fn turns(&self) -> Vec<Turn> {
        let mut weave = Weave::default();
        self.head().into_iter().for_each(|text| weave.say(text));
        for unit in self.layout.shown(self.choice.trims) {
            self.show(*unit, &mut weave);
        }
        if let Some(plan) = &self.memory.plan {
            weave.say(cut(&plan_text(plan), self.layout.most_of_pin(), "").into_owned());
        }
        weave.finish()
    }

    /// The task, and what is known of all that is left out.
    fn head(&self) -> Vec<String> {
        let (layout, memory) = (self.layout, self.memory);
        let pin = layout.most_of_pin();
        let task = memory.task.as_deref().unwrap_or("[the task is lost]");
        let mut head = vec![cut(task, layout.most_of_task(), &recall(0)).into_owned()];
        if let Some(summary) = &memory.summary {
            let text = format!("[What came before #{} in short:]\n{}", summary.upto, summary.text);
            head.push(cut(&text, pin, &recall(summary.at)).into_owned());
        }
        head.extend(self.left_out(pin));
        let person = layout.pinned_person(self.choice.trims);
        head.extend(person.map(|n| cut(&self.said(n), pin, &recall(n)).into_owned()));
        head
    }

    /// The list of what is left out: the newest line by line, what does not fit as a range.
    fn left_out(&self, most: usize) -> Option<String> {
        let dropped = self.choice.trims.dropped;
        let first = self.layout.units.first().filter(|u| u.number() < dropped)?.number();
        let title = format!("[#{first}–#{} are left out; {}]", dropped - 1, recall_of("#N"));
        let mut left = most.checked_sub(text_size(&title))?;
        let since = self.memory.summary.as_ref().map_or(0, |s| s.upto);
        let gone = self.layout.units.iter().rev().map(|u| u.number());
        let gone = gone.skip_while(|n| *n >= dropped).take_while(|n| *n >= since);
        let lines = gone.map(|n| format!("\n#{n} {}", self.sketch(n).line()));
        let mut shown: Vec<String> = lines
            .map_while(|line| {
                left = left.checked_sub(text_size(&line))?;
                Some(line)
            })
            .collect();
        shown.push(title);
        Some(shown.into_iter().rev().collect())
    }

    fn show(&self, unit: Unit, weave: &mut Weave) {
        let detail = self.layout.detail(unit, self.choice);
        match unit {
            _ if self.choice.cut == Some(0) => weave.say(self.stub(unit.number())),
            Unit::Said(n) => weave.say(cut(&self.said(n), detail.said, &recall(n)).into_owned()),
            Unit::Step { model, results } => match self.turn(model, detail) {
                Some(turn) => {
                    let results = self.results(&turn, results, detail);
                    weave.answer(turn);
                    weave.results(results);
                }
                None => weave.say(format!("#{model} {CHANGED}")),
            },
        }
    }

    fn stub(&self, n: u64) -> String {
        let line = self.sketch(n).line();
        format!("[#{n} is too long to be shown: {line}; {}]", recall(n))
    }

    fn said(&self, n: u64) -> String {
        let newest = self.memory.person.as_ref().filter(|(at, _)| *at == n);
        let person = |text: &str| format!("A person says:\n{text}");
        match newest {
            Some((_, text)) => person(text),
            None => match (self.read)(n) {
                Some(Entry::Person { text }) => person(&text),
                Some(Entry::Note { text }) => text,
                _ => format!("#{n} {CHANGED}"),
            },
        }
    }

    /// A turn as far as it is shown; `None` if it is lost. What is left of a long one is kept.
    fn turn(&self, n: u64, detail: Detail) -> Option<ModelTurn> {
        let keep = detail == Detail::masked() && self.sketch(n).longest() > LONG;
        let kept = || self.shorts.borrow().get(&n).cloned();
        if let Some(short) = keep.then(kept).flatten() {
            return Some(short);
        }
        let Some(Entry::Model { turn }) = (self.read)(n) else { return None };
        let whole = self.sketch(n).longest() <= detail.said;
        let mut turn = if whole { turn } else { shortened(turn, detail.said, &recall(n)) };
        let useful = |r: &Replay| detail.replay && whole && r.of == self.memory.known.model();
        turn.replay = turn.replay.filter(useful);
        if keep {
            self.shorts.borrow_mut().insert(n, turn.clone());
        }
        Some(turn)
    }

    /// A result for each call, whatever the log has.
    fn results(&self, turn: &ModelTurn, at: Option<u64>, detail: Detail) -> Vec<ToolResult> {
        let (mut results, missing) = match at {
            Some(n) => match self.logged(n, detail) {
                Some(results) => (results, "[no result]"),
                None => (vec![], CHANGED),
            },
            None => (vec![], "[no result: interrupted]"),
        };
        results.truncate(turn.calls.len());
        for (at, call) in turn.calls.iter().enumerate() {
            match results.get_mut(at) {
                Some(result) => (result.call, result.name) = (call.id.clone(), call.name.clone()),
                None => results.push(ToolResult {
                    call: call.id.clone(),
                    name: call.name.clone(),
                    parts: vec![Part::text(missing)],
                    is_error: true,
                }),
            }
        }
        results
    }

    /// Results as far as they are shown; `None` if they are lost. What is not shown is not read.
    fn logged(&self, n: u64, detail: Detail) -> Option<Vec<ToolResult>> {
        let Some(most) = detail.result else { return self.masked(n) };
        let whole = self.sketch(n).longest() <= most;
        let most = if whole { None } else { Some(most) };
        let results = self.read_results(n)?.into_iter();
        let shown = |r: ToolResult| {
            let parts = self.parts(n, r.parts, most, detail.pictures);
            ToolResult { parts, ..r }
        };
        Some(results.map(shown).collect())
    }

    /// A line in place of each result, unless it is as short as that.
    fn masked(&self, n: u64) -> Option<Vec<ToolResult>> {
        let outcomes = &self.sketch(n).outcomes;
        let stubs = outcomes.iter().map(|outcome| ToolResult {
            call: String::new(),
            name: String::new(),
            parts: vec![Part::text(stub(n, outcome))],
            is_error: outcome.failed,
        });
        let mut results: Vec<_> = stubs.collect();
        if outcomes.iter().any(|o| o.is_short) {
            let logged = self.read_results(n)?.into_iter();
            for ((result, logged), outcome) in results.iter_mut().zip(logged).zip(outcomes) {
                if outcome.is_short {
                    result.parts = self.parts(n, logged.parts, None, false);
                }
            }
        }
        Some(results)
    }

    fn read_results(&self, n: u64) -> Option<Vec<ToolResult>> {
        match (self.read)(n) {
            Some(Entry::Results { results }) => Some(results),
            _ => None,
        }
    }

    fn sketch(&self, n: u64) -> &Sketch {
        &self.memory.sketches[index(n)]
    }

    fn parts(&self, n: u64, parts: Vec<Part>, most: Option<usize>, pictures: bool) -> Vec<Part> {
        let takes = self.memory.known.facts.images;
        let shown = parts.into_iter().filter_map(|part| match part {
            Part::Text { text } if text.trim().is_empty() => None,
            Part::Text { text } => Some(Part::text(match most {
                Some(most) => cut(&text, most, &recall(n)).into_owned(),
                None => text,
            })),
            Part::Image { width, height, .. } if !(pictures && takes) => {
                let why = if takes { "was here" } else { "is here, which you cannot see" };
                Some(Part::text(format!("[a picture of {width}x{height} {why}]")))
            }
            Part::Image { .. } => Some(part),
        });
        let shown: Vec<_> = shown.collect();
        if shown.is_empty() { vec![Part::text(NOTHING)] } else { shown }
    }
}

/// What is left of a turn, every text of which is cut to so many bytes.
fn shortened(mut turn: ModelTurn, most: usize, how: &str) -> ModelTurn {
    let shorten = |text: &str| cut(text, most, how).into_owned();
    turn.text = cut(&turn.text, most, how).into_owned();
    turn.flaw = turn.flaw.as_deref().map(shorten);
    for call in &mut turn.calls {
        call.flaw = call.flaw.as_deref().map(shorten);
        call.arguments = cut_arguments(std::mem::take(&mut call.arguments), most, how);
    }
    turn
}

/// In place of a result.
fn stub(n: u64, outcome: &Outcome) -> String {
    let Outcome { bytes, begin, .. } = outcome;
    format!("[result left out, {bytes} bytes: {begin}…; {}]", recall(n))
}

/// How a model gets at what is left out of an entry.
fn recall(n: u64) -> String {
    recall_of(&format!("#{n}"))
}

fn recall_of(query: &str) -> String {
    format!(r#"recall {{"query":"{query}"}} brings it back"#)
}

/// A plan for people and models.
pub(super) fn plan_text(plan: &Plan) -> String {
    let mut text = String::from("The plan as it stands:");
    for deliverable in &plan.deliverables {
        text += &format!("\nto hand over: {deliverable}");
    }
    for item in &plan.items {
        let state = match item.state {
            PlanState::Open => ' ',
            PlanState::Active => '>',
            PlanState::Done => 'x',
            PlanState::Dropped => '-',
        };
        text += &format!("\n[{state}] {}", item.text);
    }
    for check in &plan.checks {
        text += &format!("\ncheck: {}: {}", check.what, check.command);
    }
    text
}
