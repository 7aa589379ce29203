//! The last node: says what came of it all.

use protocol::ReportKind;
use tokio_util::sync::CancellationToken;
use types::JobResult;

use super::means::Means;
use super::state::State;
use crate::flow::{Node, NodeError, actions};

actions! {
    /// What [`Compile`] decides.
    pub(super) enum CompileAction {
        /// Nothing is left to do.
        Finish = "finish",
    }
}

/// Ends what goes on in the background and reports the result. How the job ends was decided before.
pub(super) struct Compile;

impl Node<State, Means> for Compile {
    type In = Option<JobResult>;
    type Out = ();
    type Action = CompileAction;

    fn prepare(&self, state: &State) -> Option<JobResult> {
        state.result.clone()
    }

    async fn execute(
        &self,
        result: &Option<JobResult>,
        means: &Means,
        _: &CancellationToken,
    ) -> Result<(), NodeError> {
        if let Err(error) = means.toolbox.end().await {
            means.warn(format!("what goes on in the background could not be ended: {error}")).await;
        }
        if let Some(result) = result.clone() {
            means.report(ReportKind::Result { result }).await;
        }
        Ok(())
    }

    fn decide(&self, _: &mut State, _: Option<JobResult>, (): ()) -> CompileAction {
        CompileAction::Finish
    }
}
