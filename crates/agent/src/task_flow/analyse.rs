//! The first node: what is there, and a plan.

use protocol::Verdict;
use tokio_util::sync::CancellationToken;

use super::ask::{Asked, Taken};
use super::manners::Kind;
use super::means::Means;
use super::state::{State, Turn};
use super::{situation, words};
use crate::context::Entry;
use crate::flow::{Node, NodeError, actions};

/// How often a plan is asked for. It helps; work goes on without one.
const TRIES: u32 = 2;

/// A task of one line and this many words at most needs no plan.
const TRIVIAL_WORDS: usize = 5;

/// And no more bytes than this: some languages have no spaces.
const TRIVIAL_BYTES: usize = 50;

actions! {
    /// What [`Analyse`] decides.
    pub(super) enum AnalyseAction {
        /// The model made a plan, or wants to begin without.
        Act = "act",
        /// There is no plan, and none is needed.
        Think = "think",
        /// The job ends here.
        Over = "over",
    }
}

/// Asks for a plan.
pub(super) struct Analyse;

pub(super) enum Analysed {
    Turn(Turn),
    NoPlan,
    Over(Verdict),
}

impl Node<State, Means> for Analyse {
    /// Where programs are looked for.
    type In = String;
    type Out = Analysed;
    type Action = AnalyseAction;

    fn prepare(&self, state: &State) -> String {
        state.environment.get("PATH").cloned().unwrap_or_default()
    }

    async fn execute(
        &self,
        path: &String,
        means: &Means,
        cancel: &CancellationToken,
    ) -> Result<Analysed, NodeError> {
        if means.context.borrow().len() == 0 {
            means.remember(Entry::Task { text: means.prompt.clone() })?;
            means.note(situation::note(&means.toolbox.runner().config.workspace, path))?;
            if let Some(missed) = &means.desk.missed {
                means.note(missed)?;
            }
        }
        if is_trivial(&means.prompt) {
            return Ok(Analysed::NoPlan);
        }
        for _ in 0..TRIES {
            means.note(words::PLAN_FIRST)?;
            let answer = match means.ask(Some("plan"), cancel).await? {
                Asked::Answer(answer) => answer,
                Asked::Over(verdict) => return Ok(Analysed::Over(verdict)),
            };
            let Taken { kind, turn } = means.take(answer).await?;
            if kind == Kind::Calls {
                return Ok(Analysed::Turn(turn));
            }
            means.answer_back(&kind).await?;
        }
        Ok(Analysed::NoPlan)
    }

    fn decide(&self, state: &mut State, _: String, found: Analysed) -> AnalyseAction {
        match found {
            Analysed::Turn(turn) => {
                state.begin(turn);
                AnalyseAction::Act
            }
            Analysed::NoPlan => AnalyseAction::Think,
            Analysed::Over(verdict) => {
                state.verdict = Some(verdict);
                AnalyseAction::Over
            }
        }
    }
}

/// Whether a task is so small that a plan would cost more than it: one short line.
fn is_trivial(prompt: &str) -> bool {
    let prompt = prompt.trim();
    prompt.len() <= TRIVIAL_BYTES
        && !prompt.contains('\n')
        && prompt.split_whitespace().count() <= TRIVIAL_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_tasks_need_no_plan() {
        for prompt in ["hello", " Say hello world \n", "list the files here", "run make test"] {
            assert!(is_trivial(prompt), "{prompt:?}");
        }
        for prompt in [
            "Create a Python script that calculates Fibonacci numbers, with tests",
            "first\nsecond",
            "编写一个计算斐波那契数列的程序并附带测试用例以及使用说明文档",
        ] {
            assert!(!is_trivial(prompt), "{prompt:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_longer_than_a_trivial_task_is_none(prompt in "\\PC{0,80}", more in "[a-z]{1,9}") {
            if !is_trivial(&prompt) {
                let longer = format!("{prompt} {more}");
                prop_assert!(!is_trivial(&longer));
            }
        }
    }
}
