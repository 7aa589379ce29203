//! What the nodes work with: the tools, the memory, the way to models and people.
//!
//! Not here: what is asked of models ([`super::ask`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::ReportKind;
use types::{ModelFacts, NoticeLevel, Part, ToolCall, ToolResult};

use super::Task;
use super::state::{CallName, Turn};
use super::stuck::{Concern, Seen, Trail};
use super::words;
use crate::context::{Context, ContextError, Entry};
use crate::flow::NodeError;
use crate::session::Desk;
use crate::step::Runner;
use crate::tools::{CONTEXT_FILE, Toolbox};

/// It is written again when it grew by this part: all its writing together then costs a bounded
/// number of times its size, however long the job is.
const CONTEXT_GROWTH: u64 = 16;

/// A call seen in errors for people is this long at most, in bytes.
const MAX_SEEN_BYTES: usize = 300;

/// What the model is told is shown to people up to this length, in bytes.
const MAX_SHOWN_BYTES: usize = 300;

#[derive(Debug)]
pub(super) struct Means {
    pub(super) prompt: String,
    pub(super) toolbox: Toolbox,
    pub(super) desk: Desk,
    /// Whether it goes on in the workspace of another job, from its checkpoint.
    pub(super) resumes: bool,
    /// Whether the model is still to be told so.
    untold: Cell<bool>,
    pub(super) context: RefCell<Context>,
    /// Who answers now.
    pub(super) model: RefCell<ModelFacts>,
    /// The calls of the answer that is worked on; lost with this process.
    calls: RefCell<Vec<ToolCall>>,
    /// What came of them so far, by their place.
    results: RefCell<BTreeMap<usize, (Vec<Part>, bool)>>,
    /// What people said before this process began, which comes again.
    known: Cell<usize>,
    /// Entries of the memory when the file was written.
    kept: Cell<u64>,
    /// Why that could not be done the last time.
    unkept: RefCell<String>,
}

impl Means {
    pub(super) async fn new(
        task: Task,
        runner: Rc<Runner>,
        desk: Desk,
        resumes: bool,
    ) -> Result<Self, NodeError> {
        let toolbox = Toolbox::new(runner, &desk);
        let context = Context::open(toolbox.log().await?, task.model.clone())?;
        let known = Cell::new(context.heard());
        Ok(Self {
            prompt: task.prompt,
            toolbox,
            desk,
            resumes,
            untold: Cell::new(resumes),
            context: RefCell::new(context),
            model: RefCell::new(task.model),
            calls: RefCell::default(),
            results: RefCell::default(),
            known,
            kept: Cell::default(),
            unkept: RefCell::default(),
        })
    }

    /// Tells the model once that it goes on in another sandbox.
    pub(super) async fn tell_resumed(&self) -> Result<(), ContextError> {
        if self.untold.take() { self.admonish(words::RESUMED).await } else { Ok(()) }
    }

    /// Takes what people said since the last call into the memory.
    pub(super) fn hear(&self) -> Result<(), ContextError> {
        let mut messages = self.desk.inbox.messages();
        let known = self.known.get().min(messages.len());
        self.known.set(self.known.get() - known);
        let new = messages.split_off(known);
        new.into_iter().try_for_each(|text| self.remember(Entry::Person { text }))
    }

    /// Whether people said something that the model does not know.
    pub(super) fn is_spoken_to(&self) -> bool {
        self.desk.inbox.waiting() > self.known.get()
    }

    pub(super) fn remember(&self, entry: Entry) -> Result<(), ContextError> {
        self.context.borrow_mut().append(entry).map(drop)
    }

    pub(super) fn note(&self, text: impl Into<String>) -> Result<(), ContextError> {
        self.remember(Entry::Note { text: text.into() })
    }

    /// Has something to say to the model, and lets people see it: what it does next would be hard to
    /// understand without.
    pub(super) async fn admonish(&self, text: &str) -> Result<(), ContextError> {
        self.show(text).await;
        self.note(text)
    }

    /// Lets people see what the model is told.
    pub(super) async fn show(&self, text: &str) {
        let text = format!(
            "told the model: {}",
            words::cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), MAX_SHOWN_BYTES)
        );
        self.report(ReportKind::Notice { level: NoticeLevel::Info, text }).await;
    }

    pub(super) async fn report(&self, report: ReportKind) {
        self.toolbox.runner().outbox.push(report).await;
    }

    /// Tells people something that does not end the job.
    pub(super) async fn warn(&self, text: String) {
        self.toolbox.runner().warn(text).await;
    }

    /// Begins with the calls of an answer.
    pub(super) fn begin(&self, calls: Vec<ToolCall>) {
        self.calls.replace(calls);
        self.results.borrow_mut().clear();
    }

    /// A call of that answer.
    pub(super) fn call(&self, at: usize) -> Option<ToolCall> {
        self.calls.borrow().get(at).cloned()
    }

    /// What came of a call.
    pub(super) fn put(&self, at: usize, parts: Vec<Part>, is_error: bool) {
        self.results.borrow_mut().insert(at, (parts, is_error));
    }

    /// Takes the results of an answer's calls into the memory, in the order of the calls, and looks
    /// whether the agent goes in circles; if it is to be stopped, why.
    pub(super) async fn close(
        &self,
        turn: &Turn,
        trail: &mut Trail,
    ) -> Result<Option<String>, ContextError> {
        let calls = self.calls.take();
        let results = self.in_order(turn);
        let concern = trail.observe(Seen::new(&calls, &results));
        self.remember(Entry::Results { results })?;
        match concern {
            None => Ok(None),
            Some(Concern::Nudge(circle)) => {
                self.admonish(words::nudge(circle)).await.map(|()| None)
            }
            Some(Concern::Stop(circle)) => Ok(Some(words::stuck(circle, &seen(&calls)))),
        }
    }

    fn in_order(&self, turn: &Turn) -> Vec<ToolResult> {
        let mut known = self.results.take();
        let result = |(at, call): (usize, &CallName)| {
            let lost = || (vec![Part::text(words::LOST)], false);
            let (parts, is_error) = known.remove(&at).unwrap_or_else(lost);
            ToolResult { call: call.id.clone(), name: call.tool.clone(), parts, is_error }
        };
        turn.calls.iter().enumerate().map(result).collect()
    }

    /// Writes the memory as a file for people, if it is time for that or these are the last words.
    pub(super) async fn keep_context(&self, last: bool) {
        let entries = self.context.borrow().len();
        let new = entries - self.kept.get().min(entries);
        if new == 0 || !(last || new > entries / CONTEXT_GROWTH) {
            return;
        }
        self.kept.set(entries);
        let text = self.context.borrow().readable();
        let why = self.toolbox.keep(CONTEXT_FILE, &text).await.err().map(|error| error.to_string());
        let why = why.unwrap_or_default();
        // Said once, however often it is tried.
        if self.unkept.replace(why.clone()) != why && !why.is_empty() {
            self.warn(format!("{CONTEXT_FILE} could not be written: {why}")).await;
        }
    }
}

/// The last call, for people.
fn seen(calls: &[ToolCall]) -> String {
    let text = calls.last().map(|call| format!("{} {}", call.name, call.arguments));
    words::cut(&text.unwrap_or_default(), MAX_SEEN_BYTES)
}
