//! A model that says what a test wants it to say.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{AgentSpec, Assignment, Verdict};
use serde_json::{Value, json};
use tempfile::TempDir;
use types::{
    ModelAnswer, ModelFacts, ModelRequest, ModelTurn, Part, Reason, Stop, TokenUsage, ToolCall,
    ToolResult, Turn,
};

use crate::gateway::{Hosts, Model};
use crate::log::Log;
use crate::sandbox::{Sandbox, Users, rooms, spec};

/// A task that needs no plan.
pub(crate) const TRIVIAL: &str = "do it";

pub(crate) fn facts(window_tokens: u64) -> ModelFacts {
    ModelFacts { provider: "script".into(), model: "one".into(), window_tokens, images: true }
}

/// A task in plain language.
pub(crate) fn task(prompt: &str) -> AgentSpec {
    let assignment = Assignment::Task { prompt: prompt.into(), model: facts(128_000) };
    AgentSpec { assignment, ..spec(vec![]) }
}

/// Begins a task with a model.
pub(crate) fn start(spec: AgentSpec, model: Model) -> Sandbox {
    start_in(rooms(Users::One), spec, model)
}

/// The same, where an earlier one was.
pub(crate) fn start_in(dir: TempDir, spec: AgentSpec, model: Model) -> Sandbox {
    Sandbox::start_in(dir, Users::One, spec, Hosts::new(), model)
}

/// Does a trivial task to its end.
pub(crate) fn run(answers: Vec<ModelAnswer>) -> (Log, TempDir) {
    start(task(TRIVIAL), script(answers)).finish()
}

/// These answers, one after the other; then the job is over.
pub(crate) fn script(answers: Vec<ModelAnswer>) -> Model {
    let mut answers: VecDeque<ModelAnswer> = answers.into();
    Box::new(move |_| Some(answers.pop_front().unwrap_or_else(|| failed(Reason::ModelUnavailable))))
}

/// The same answer to every question.
pub(crate) fn always(answer: impl Fn() -> ModelAnswer + Send + 'static) -> Model {
    Box::new(move |_| Some(answer()))
}

pub(crate) fn failed(reason: Reason) -> ModelAnswer {
    ModelAnswer::Failed { reason, error: "the script is over".into() }
}

pub(crate) fn answer(turn: ModelTurn, stop: Stop) -> ModelAnswer {
    ModelAnswer::Turn { turn, stop, usage: TokenUsage::default(), facts: facts(128_000) }
}

/// What another model answers.
pub(crate) fn answer_of(facts: ModelFacts, turn: ModelTurn) -> ModelAnswer {
    ModelAnswer::Turn { turn, stop: Stop::Done, usage: TokenUsage::default(), facts }
}

pub(crate) fn calls(calls: Vec<ToolCall>) -> ModelAnswer {
    answer(ModelTurn { calls, ..ModelTurn::default() }, Stop::Done)
}

pub(crate) fn prose(text: &str) -> ModelAnswer {
    answer(ModelTurn { text: text.into(), ..ModelTurn::default() }, Stop::Done)
}

pub(crate) fn flawed(flaw: &str) -> ModelAnswer {
    answer(ModelTurn { flaw: Some(flaw.into()), ..ModelTurn::default() }, Stop::Done)
}

pub(crate) fn call(name: &str, arguments: Value) -> ToolCall {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("call_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    ToolCall { id, name: name.into(), arguments, flaw: None }
}

pub(crate) fn shell(command: &str) -> ToolCall {
    call("shell", json!({ "command": command }))
}

pub(crate) fn write(path: &str, content: &str) -> ToolCall {
    call("write_file", json!({ "path": path, "content": content }))
}

pub(crate) fn finish(artifacts: &[&str], checks: &[&str]) -> ToolCall {
    call(
        "finish",
        json!({ "summary": "It is done.", "artifacts": artifacts, "checks": these(checks) }),
    )
}

pub(crate) fn plan(items: &[&str], checks: &[&str]) -> ToolCall {
    let items: Vec<Value> = items.iter().map(|text| json!({ "text": text })).collect();
    call("plan", json!({ "deliverables": ["it"], "items": items, "checks": these(checks) }))
}

fn these(checks: &[&str]) -> Vec<Value> {
    checks.iter().map(|command| json!({ "what": "it is so", "command": command })).collect()
}

/// All that a question says, as one text.
pub(crate) fn text_of(question: &ModelRequest) -> String {
    question.turns.iter().map(text_of_turn).collect::<Vec<_>>().join("\n")
}

/// What a question says after the model's last turn.
pub(crate) fn last_of(question: &ModelRequest) -> String {
    let new = question.turns.rsplit(|turn| matches!(turn, Turn::Model(_))).next();
    new.unwrap().iter().map(text_of_turn).collect::<Vec<_>>().join("\n")
}

/// The results of the newest calls.
pub(crate) fn results_of(question: &ModelRequest) -> &[ToolResult] {
    let results = question.turns.iter().rev().find_map(|turn| match turn {
        Turn::Results { results } => Some(results),
        _ => None,
    });
    results.unwrap()
}

pub(crate) fn text_of_parts(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Text { text } => text.clone(),
        Part::Image { .. } => "(an image)".into(),
    };
    parts.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn text_of_turn(turn: &Turn) -> String {
    match turn {
        Turn::User { parts } => text_of_parts(parts),
        Turn::Model(turn) => turn.text.clone(),
        Turn::Results { results } => {
            let texts: Vec<String> = results.iter().map(|r| text_of_parts(&r.parts)).collect();
            texts.join("\n")
        }
    }
}

impl Log {
    /// Why the agent gave up.
    pub(crate) fn gave_up(&self) -> (Reason, String) {
        match self.verdict() {
            Verdict::GaveUp { reason, error } => (reason, error),
            other => panic!("the verdict is {other:?}"),
        }
    }
}
