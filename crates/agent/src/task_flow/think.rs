//! The node that asks the model what comes next.

use protocol::Verdict;
use tokio_util::sync::CancellationToken;

use super::ask::{Asked, Taken};
use super::manners::{Kind, Patience};
use super::means::Means;
use super::state::{State, Turn};
use crate::flow::{Node, NodeError, actions};

actions! {
    /// What [`Think`] decides.
    pub(super) enum ThinkAction {
        /// The model wants something done.
        Act = "act",
        /// Its answer was of no use; it was told so.
        Again = "again",
        /// The job ends here.
        Over = "over",
    }
}

/// Asks the model.
pub(super) struct Think;

pub(super) enum Next {
    Act(Turn),
    Again(Patience),
    Over(Verdict),
}

impl Node<State, Means> for Think {
    type In = Patience;
    type Out = Next;
    type Action = ThinkAction;

    fn prepare(&self, state: &State) -> Patience {
        state.patience
    }

    async fn execute(
        &self,
        patience: &Patience,
        means: &Means,
        cancel: &CancellationToken,
    ) -> Result<Next, NodeError> {
        means.tell_resumed().await?;
        means.hear()?;
        let asked = means.ask(None, cancel);
        let (asked, ()) = tokio::join!(asked, means.keep_context(false));
        match asked? {
            Asked::Answer(answer) => follow(means, *patience, means.take(answer).await?).await,
            Asked::Over(verdict) => Ok(Next::Over(verdict)),
        }
    }

    fn decide(&self, state: &mut State, _: Patience, next: Next) -> ThinkAction {
        match next {
            Next::Act(turn) => {
                state.patience = Patience::default();
                state.begin(turn);
                ThinkAction::Act
            }
            Next::Again(patience) => {
                state.patience = patience;
                ThinkAction::Again
            }
            Next::Over(verdict) => {
                state.verdict = Some(verdict);
                ThinkAction::Over
            }
        }
    }
}

async fn follow(means: &Means, patience: Patience, taken: Taken) -> Result<Next, NodeError> {
    match patience.after(&taken.kind) {
        Err(verdict) => Ok(Next::Over(verdict)),
        Ok(_) if taken.kind == Kind::Calls => Ok(Next::Act(taken.turn)),
        Ok(left) => {
            means.answer_back(&taken.kind).await?;
            Ok(Next::Again(left))
        }
    }
}
