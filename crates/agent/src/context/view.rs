//! The turns of a view: what [`super::layout`] chose, read from the log and woven together so that
//! every provider takes it.
//!
//! Invariants: begins with a user's turn and ends with something to answer; a model's turn follows
//! a user's or results; every turn with calls is followed by one result for each, in order; no part
//! is blank. The plan stands at the end, so that what comes before it can be cached.

use types::{ModelTurn, Part, Plan, PlanState, Replay, ToolResult, Turn};

use super::cut::{cut, cut_arguments, first_line, json_size, text_size};
use super::layout::{Choice, Layout, Unit, index};
use super::sketch::{Detail, STUB};
use super::{Entry, Memory};

const CHANGED: &str = "[changed on disk]";
const NOTHING: &str = "[nothing]";

/// Makes views.
#[derive(Debug)]
pub(super) struct View<'m, R> {
    pub(super) memory: &'m Memory,
    pub(super) layout: &'m Layout<'m>,
    pub(super) choice: Choice,
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
        let lines = gone.map(|n| format!("\n#{n} {}", self.memory.sketches[index(n)].line));
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
            Unit::Step { model, results } => match (self.read)(model) {
                Some(Entry::Model { turn }) => {
                    let turn = self.turn(model, turn, detail);
                    let results = self.results(&turn, results, detail);
                    weave.answer(turn);
                    weave.results(results);
                }
                _ => weave.say(format!("#{model} {CHANGED}")),
            },
        }
    }

    fn stub(&self, n: u64) -> String {
        let line = &self.memory.sketches[index(n)].line;
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

    fn turn(&self, n: u64, turn: ModelTurn, detail: Detail) -> ModelTurn {
        let how = recall(n);
        let mut whole = true;
        let mut shorten = |text: &str| {
            let short = cut(text, detail.said, &how);
            whole &= short == text;
            short.into_owned()
        };
        let text = shorten(&turn.text);
        let flaw = turn.flaw.as_deref().map(&mut shorten);
        let mut calls = turn.calls;
        for call in &mut calls {
            call.flaw = call.flaw.as_deref().map(&mut shorten);
        }
        for call in &mut calls {
            let arguments = std::mem::take(&mut call.arguments);
            whole &= json_size(&arguments) <= detail.said;
            call.arguments = cut_arguments(arguments, detail.said, &how);
        }
        let useful = |r: &Replay| detail.replay && whole && r.of == self.memory.known.model();
        let replay = turn.replay.filter(useful);
        ModelTurn { text, calls, flaw, replay }
    }

    /// A result for each call, whatever the log has.
    fn results(&self, turn: &ModelTurn, at: Option<u64>, detail: Detail) -> Vec<ToolResult> {
        let (n, mut results, missing) = match at.map(|n| (n, (self.read)(n))) {
            Some((n, Some(Entry::Results { results }))) => (n, results, "[no result]"),
            Some((n, _)) => (n, vec![], CHANGED),
            None => (0, vec![], "[no result: interrupted]"),
        };
        results.truncate(turn.calls.len());
        let mut results: Vec<_> =
            results.into_iter().map(|result| self.result(n, result, detail)).collect();
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

    fn result(&self, n: u64, result: ToolResult, detail: Detail) -> ToolResult {
        let ToolResult { call, name, parts, is_error } = result;
        let parts = match detail.result {
            Some(most) => self.parts(n, parts, most, detail.pictures),
            None => masked(n, parts),
        };
        ToolResult { call, name, parts, is_error }
    }

    fn parts(&self, n: u64, parts: Vec<Part>, most: usize, pictures: bool) -> Vec<Part> {
        let takes = self.memory.known.facts.images;
        let shown = parts.into_iter().filter_map(|part| match part {
            Part::Text { text } if text.trim().is_empty() => None,
            Part::Text { text } => Some(Part::text(cut(&text, most, &recall(n)))),
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

/// A line in place of a result, unless it is as short as that.
fn masked(n: u64, parts: Vec<Part>) -> Vec<Part> {
    let texts = || {
        parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } => None,
        })
    };
    let bytes: usize = texts().map(str::len).sum();
    let size: usize = texts().map(text_size).sum();
    if size <= STUB && texts().count() == parts.len() && bytes > 0 {
        return parts;
    }
    if parts.is_empty() {
        return vec![Part::text(NOTHING)];
    }
    let begin = texts().map(|text| first_line(text, 80)).next().unwrap_or("a picture");
    let back = recall_of(&format!("#{n}"));
    vec![Part::text(format!("[result left out, {bytes} bytes: {begin}…; {back}]"))]
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

/// Puts turns one after the other as every provider takes them.
#[derive(Debug, Default)]
struct Weave(Vec<Turn>);

impl Weave {
    fn say(&mut self, text: String) {
        if text.trim().is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(Turn::User { parts }) => parts.push(Part::text(text)),
            _ => self.0.push(Turn::User { parts: vec![Part::text(text)] }),
        }
    }

    fn answer(&mut self, mut turn: ModelTurn) {
        if turn.text.trim().is_empty() && turn.calls.is_empty() && turn.replay.is_none() {
            turn.text = "[no answer]".into();
        }
        if !matches!(self.0.last(), Some(Turn::User { .. } | Turn::Results { .. })) {
            self.say("Go on.".into());
        }
        self.0.push(Turn::Model(turn));
    }

    fn results(&mut self, results: Vec<ToolResult>) {
        if !results.is_empty() {
            self.0.push(Turn::Results { results });
        }
    }

    fn finish(mut self) -> Vec<Turn> {
        if !matches!(self.0.last(), Some(Turn::User { .. } | Turn::Results { .. })) {
            self.say("Go on.".into());
        }
        self.0
    }
}
