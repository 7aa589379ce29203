//! What the agent remembers, and what of it a model is shown.
//!
//! The log is append-only and on the disk: it loses nothing. The view is made anew for every
//! question, and is never longer than the model's window minus a reserve, whatever the log is: what
//! does not fit is masked, then summed up, then left out, oldest first, and what is left out leaves
//! a line by which `recall` brings it back.
//!
//! ```text
//!  append ──► log (disk) ──► sketch (memory: sizes, a line) ──► layout: what is shown
//!  learn ──► measure: what fits ───────────────────────────────►  │
//!  question ◄── view: the turns ◄── read back from the log ◄──────┘
//! ```
//!
//! A question is a function of the log alone: what was learned and decided stands in it as well, so
//! that a memory that is opened again asks the same, byte for byte. Before each question the flow
//! asks [`Context::summary_due`], and gives what came of that to [`Context::sum_up`].
//!
//! Not here: asking the model, and what is said to it ([`crate::task_flow`]).

mod cut;
mod ladder;
mod layout;
mod log;
mod measure;
mod memory;
mod readable;
mod recall;
mod sketch;
mod summary;
#[cfg(test)]
mod tests;
mod view;
mod weave;
mod words;

use std::cell::RefCell;
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};
use types::{
    ModelAnswer, ModelFacts, ModelRequest, ModelTurn, Part, Plan, ToolResult, ToolSpec, Turn,
};

use cut::{cut, json_size};
use ladder::Trims;
use log::Log;
use measure::{Known, Room};
use memory::Memory;
use view::{Shorts, View};

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The task, word for word; always the first.
    Task { text: String },
    /// What a model answered.
    Model { turn: ModelTurn },
    /// What became of its calls, in their order.
    Results { results: Vec<ToolResult> },
    /// What a person said.
    Person { text: String },
    /// What the agent itself has to say to the model: a nudge, what was wrong with an answer.
    Note { text: String },
    /// What a stretch of the log comes to; stands for every entry before `upto` in views after it.
    Summary { upto: u64, text: String },
    /// The plan from here on; [`Context::set_plan`] writes it.
    Plan { plan: Plan },
    /// How views are made from here on; written where that changes.
    View { known: Known, trims: Trims },
}

/// What goes around the view in a question.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) system: String,
    pub(crate) tools: Vec<ToolSpec>,
    pub(crate) must_call: Option<String>,
    /// Not more than a quarter of the window is asked for.
    pub(crate) max_output_tokens: u32,
}

/// The agent's memory.
#[derive(Debug)]
pub(crate) struct Context {
    log: Log,
    memory: Memory,
    shorts: RefCell<Shorts>,
    /// Up to where a summary was asked for.
    asked: Option<u64>,
}

/// The log cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{what} the agent's log: {source}; is there room left?")]
pub(crate) struct ContextError {
    pub(crate) what: &'static str,
    #[source]
    pub(crate) source: io::Error,
}

impl Context {
    /// A memory in this file, which may hold one already: then it goes on where that ended. The
    /// facts are those of the model that answers first; a log that knows better is believed.
    pub(crate) fn open(log: File, facts: ModelFacts) -> Result<Self, ContextError> {
        let mut memory = Memory::new(facts);
        let log = Log::open(log, |entry| memory.take_in(entry));
        let log = log.map_err(|source| ContextError { what: "read", source })?;
        Ok(Self { log, memory, shorts: RefCell::default(), asked: None })
    }

    /// How many entries there are, those about views included; the next one gets this number.
    pub(crate) fn len(&self) -> u64 {
        self.log.len()
    }

    /// How much of what people say is remembered.
    pub(crate) fn heard(&self) -> usize {
        self.memory.heard
    }

    /// Remembers something; its number.
    pub(crate) fn append(&mut self, entry: Entry) -> Result<u64, ContextError> {
        let n = self.log.append(&entry);
        let n = n.map_err(|source| ContextError { what: "write", source })?;
        self.memory.take_in(Some(&entry));
        Ok(n)
    }

    /// The plan, which is in every view.
    pub(crate) fn set_plan(&mut self, plan: Plan) -> Result<(), ContextError> {
        if self.memory.plan.as_ref() != Some(&plan) {
            self.append(Entry::Plan { plan })?;
        }
        Ok(())
    }

    /// The question that puts the view into this frame.
    pub(crate) fn question(&mut self, frame: &Frame) -> Result<ModelRequest, ContextError> {
        let mut known = self.memory.known.clone();
        known.framed(0, frame.max_output_tokens);
        let mut request = framed(frame, &known);
        known.framed(json_size(&request), 0);
        let mut room = known.room();
        let most = room.turns;
        // Sizes are known well enough that the first try fits, but for a log that was tampered with.
        for _ in 0..3 {
            let turns = self.turns(&known, room)?;
            let weight = room.weigh(&turns);
            if weight <= most {
                request.turns = turns;
                return Ok(request);
            }
            room.turns = room.turns.saturating_sub(weight - most);
        }
        let task = self.memory.task.as_deref().unwrap_or_default();
        let text = Part::text(cut(task, most.saturating_sub(100), ""));
        request.turns = vec![Turn::User { parts: vec![text] }];
        Ok(request)
    }

    /// Learns from an answer: how many bytes a token has, who answers now, how large its window is.
    pub(crate) fn learn(
        &mut self,
        question: &ModelRequest,
        answer: &ModelAnswer,
    ) -> Result<(), ContextError> {
        let mut known = self.memory.known.clone();
        known.learn(question, answer);
        self.decide(known, self.memory.trims)
    }

    /// The question whose answer sums up what does not fit, when it is time for that. An answer
    /// [`ModelAnswer::TooLong`] is learned from like any other; the next one is shorter.
    pub(crate) fn summary_due(&mut self) -> Option<ModelRequest> {
        let layout = self.memory.layout(self.memory.known.room());
        let upto = layout.to_sum_up(self.memory.trims)?;
        let request = summary::question(&self.memory, &layout, upto, |n| self.log.read(n));
        self.asked = Some(upto);
        Some(request)
    }

    /// Puts a summary in place of what it was asked for; without one (no model answers, or it says
    /// nothing) one is made from the log itself.
    pub(crate) fn sum_up(&mut self, summary: Option<&str>) -> Result<(), ContextError> {
        let layout = self.memory.layout(self.memory.known.room());
        let soft = layout.soft(self.memory.trims);
        let due = || layout.to_sum_up(self.memory.trims);
        let Some(upto) = self.asked.take().or_else(due) else { return Ok(()) };
        let most = layout.most_of_pin();
        let given = summary.map(str::trim).filter(|text| !text.is_empty());
        let text = match given {
            Some(text) => cut(text, summary::MOST, "").into_owned(),
            None => summary::own(&self.memory, &layout, upto, most),
        };
        self.append(Entry::Summary { upto, text })?;
        // At once, as the next question would be another one soon otherwise.
        let trims = Trims { dropped: self.memory.trims.dropped, ..soft };
        self.decide(self.memory.known.clone(), trims)
    }

    /// What the log has about something: an entry's number as a stub names it, `#N`, from a byte on
    /// as `#N@offset`, or words.
    pub(crate) fn recall(&self, query: &str) -> Result<String, ContextError> {
        let most = self.memory.layout(self.memory.known.room()).most_of_recall();
        Ok(recall::answer(&self.memory, query, most, |n| self.log.read(n)))
    }

    /// The memory for people, and for the model as a file: `/workspace/context.txt`.
    pub(crate) fn readable(&self) -> String {
        readable::text(&self.memory, self.log.bytes(), |n| self.log.read(n))
    }

    /// The view's turns in this room; what was decided for it is kept.
    fn turns(&mut self, known: &Known, room: Room) -> Result<Vec<Turn>, ContextError> {
        let choice = self.memory.layout(room).choose(self.memory.trims);
        self.decide(known.clone(), choice.trims)?;
        let (memory, layout) = (&self.memory, &self.memory.layout(room));
        self.shorts.borrow_mut().retain(|n, _| *n >= choice.trims.dropped);
        let (shorts, read) = (&self.shorts, |n| self.log.read(n));
        Ok(View { memory, layout, choice, shorts, read }.turns())
    }

    fn decide(&mut self, known: Known, trims: Trims) -> Result<(), ContextError> {
        if known != self.memory.known || trims != self.memory.trims {
            self.append(Entry::View { known, trims })?;
        }
        Ok(())
    }
}

/// A question without turns. Its tools and what the model is told take three quarters of what fits
/// at most: then that is cut, and the last tools are not offered.
fn framed(frame: &Frame, known: &Known) -> ModelRequest {
    let most = known.room().request;
    let must_call = frame.must_call.clone();
    let max_output_tokens = known.output(frame.max_output_tokens);
    let mut left = most / 8 * 5;
    let fits = |tool: &&ToolSpec| {
        left = left.saturating_sub(json_size(tool) + 1);
        left > 0 || must_call.as_ref() == Some(&tool.name)
    };
    let tools: Vec<_> = frame.tools.iter().filter(fits).cloned().collect();
    let system = cut(&frame.system, (most / 4 * 3).saturating_sub(json_size(&tools) + 200), "");
    let (system, turns) = (system.into_owned(), vec![]);
    ModelRequest { system, turns, tools, must_call, max_output_tokens }
}
