use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::wired::{LocalFuture, Wired};
use super::{NodeError, To};

/// A checked graph of nodes over the state `S`, worked with tools `T`. Its `Display` is a Mermaid drawing.
pub struct Flow<S, T> {
    pub(super) nodes: Vec<Box<dyn Wired<S, T>>>,
    pub(super) max_transitions: usize,
}

/// Where a flow stands between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position<S> {
    node: usize,
    /// The state at this place.
    pub state: S,
}

/// What a flow tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A try of a node begins.
    Started {
        /// Its name.
        node: &'static str,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A try of a node is over.
    Finished {
        /// Its name.
        node: &'static str,
        /// The action it decided on, or why the try failed.
        result: Result<&'static str, String>,
        /// How long the try took.
        took: Duration,
    },
    /// The flow can go on from here.
    Checkpoint {
        /// The node that comes next.
        node: &'static str,
        /// The state.
        state: Value,
    },
}

/// Takes a flow's events, in order. The flow goes on when the future is done.
pub trait Sink {
    /// Takes one.
    fn record(&self, event: Event) -> LocalFuture<'_, ()>;
}

/// Why a flow did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// It was asked to stop.
    #[error("the flow was cancelled")]
    Cancelled,
    /// The last try of a node failed.
    #[error("node {node:?} failed (try {attempts}): {error}")]
    Node {
        /// Its name.
        node: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What it said.
        error: NodeError,
    },
    /// It went in circles.
    #[error("the flow visited {0} nodes without reaching its end")]
    TooManyTransitions(usize),
    /// A checkpoint, or an action missing in `Action::all`, names no node.
    #[error("the flow has no node {0:?}; it may be of another version")]
    UnknownNode(String),
    /// The state could not be written or read as JSON.
    #[error("the flow's state as JSON: {0}")]
    State(#[from] serde_json::Error),
}

impl<S, T> std::fmt::Debug for Flow<S, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.nodes.iter().map(|node| node.name())).finish()
    }
}

impl<S: Serialize + DeserializeOwned, T> Flow<S, T> {
    /// The first node, with this state.
    #[must_use]
    pub fn start(&self, state: S) -> Position<S> {
        Position { node: 0, state }
    }

    /// The place a checkpoint describes.
    ///
    /// # Errors
    /// [`FlowError::UnknownNode`] or [`FlowError::State`]
    pub fn resume(&self, node: &str, state: Value) -> Result<Position<S>, FlowError> {
        Ok(Position { node: self.index(node)?, state: serde_json::from_value(state)? })
    }

    /// Runs from there to the end and returns the last state. Cancellation is looked at between
    /// nodes and between tries; within one it is the node's business.
    ///
    /// # Errors
    /// [`FlowError`]
    pub async fn run(
        &self,
        mut at: Position<S>,
        tools: &T,
        cancel: &CancellationToken,
        sink: &dyn Sink,
    ) -> Result<S, FlowError> {
        for _ in 0..self.max_transitions {
            if cancel.is_cancelled() {
                return Err(FlowError::Cancelled);
            }
            let To::Node(next) =
                self.nodes[at.node].run(&mut at.state, tools, cancel, sink).await?
            else {
                return Ok(at.state);
            };
            at.node = self.index(next)?;
            let state = serde_json::to_value(&at.state)?;
            sink.record(Event::Checkpoint { node: next, state }).await;
        }
        Err(FlowError::TooManyTransitions(self.max_transitions))
    }

    fn index(&self, name: &str) -> Result<usize, FlowError> {
        let unknown = || FlowError::UnknownNode(name.into());
        self.nodes.iter().position(|node| node.name() == name).ok_or_else(unknown)
    }
}
