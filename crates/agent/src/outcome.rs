//! What every flow has in common as the work of a job: where it begins, whom it tells, and what its
//! end comes to.
//!
//! Not here: what the nodes do (the flows themselves).

use std::pin::Pin;

use protocol::{Checkpoint, Outbox, ReportKind, Verdict};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flow::{BuildError, Event, Flow, FlowError, Position, Sink};

/// Why a flow brought no state to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Flow(#[from] FlowError),
}

/// Where a flow goes on: at its checkpoint, or else at its start.
pub(crate) fn position<S: Serialize + DeserializeOwned, T>(
    flow: &Flow<S, T>,
    start: S,
    checkpoint: Option<Checkpoint>,
) -> Result<Position<S>, FlowError> {
    match checkpoint {
        Some(Checkpoint { node, state }) => flow.resume(&node, state),
        None => Ok(flow.start(start)),
    }
}

/// What it comes to that a flow ended like this, with the verdict of its last state.
pub(crate) fn verdict(ran: Result<Option<Verdict>, RunError>) -> Verdict {
    match ran {
        Ok(Some(verdict)) => verdict,
        Ok(None) => Verdict::Failed { error: "the flow ended without a verdict".into() },
        Err(RunError::Flow(FlowError::Cancelled)) => Verdict::Cancelled,
        Err(error) => Verdict::Failed { error: error.to_string() },
    }
}

impl Sink for Outbox {
    fn record(&self, event: Event) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.push(report(event)))
    }
}

fn report(event: Event) -> ReportKind {
    match event {
        Event::Started { node, attempt } => ReportKind::NodeStarted { node: node.into(), attempt },
        Event::Finished { node, result, took } => ReportKind::NodeFinished {
            node: node.into(),
            action: result.as_ref().ok().map(|action| (*action).into()),
            error: result.err(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        },
        Event::Checkpoint { node, state } => {
            ReportKind::Checkpoint(Checkpoint { node: node.into(), state })
        }
    }
}
