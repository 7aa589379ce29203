//! What the flow knows between two nodes.

use protocol::{AgentSpec, Verdict};
use serde::{Deserialize, Serialize};
use types::{JobResult, ModelTurn, Plan};

use super::claim::Claim;
use super::manners::Patience;
use super::stuck::Trail;
use crate::step::{Environment, Place, Runner};
use crate::tools::Finish;

/// It goes over the wire and into the store after every node, so it holds no conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Steps begun so far.
    pub(super) step: u32,
    /// Whether the next call or check is about to be done. It does not outlive the process, on
    /// purpose.
    #[serde(skip)]
    pub(super) armed: bool,
    /// Where the next step begins.
    pub(super) cwd: String,
    pub(super) environment: Environment,
    pub(super) plan: Option<Plan>,
    /// The answer that is worked on.
    pub(super) turn: Turn,
    pub(super) patience: Patience,
    pub(super) trail: Trail,
    /// What is being checked.
    pub(super) claim: Option<Claim>,
    /// Claims that did not hold.
    pub(super) rejections: u32,
    /// What was claimed last, and how it was found.
    pub(super) result: Option<JobResult>,
    /// How it ends, as soon as that is known.
    pub(super) verdict: Option<Verdict>,
}

/// The calls of an answer, and how far they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) calls: Vec<CallName>,
    /// The call that comes next.
    pub(super) next: usize,
    /// Whether one of them failed.
    pub(super) failed: bool,
    /// Which call claims that all is done, and what it claims.
    pub(super) finish: Option<(usize, Finish)>,
}

/// A call without its arguments, which may be long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallName {
    pub(super) id: String,
    pub(super) tool: String,
}

impl State {
    pub(super) fn new(runner: &Runner, spec: &AgentSpec) -> Self {
        let Place { cwd, environment } = Place::first(spec, &runner.config);
        Self {
            step: 0,
            armed: false,
            cwd,
            environment,
            plan: None,
            turn: Turn::default(),
            patience: Patience::default(),
            trail: Trail::default(),
            claim: None,
            rejections: 0,
            result: None,
            verdict: None,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { cwd: self.cwd.clone(), environment: self.environment.clone() }
    }

    pub(super) fn go_to(&mut self, place: Option<Place>) {
        if let Some(Place { cwd, environment }) = place {
            self.cwd = cwd;
            self.environment = environment;
        }
    }

    /// Begins with the calls of an answer.
    pub(super) fn begin(&mut self, turn: Turn) {
        self.turn = turn;
        self.armed = true;
    }
}

impl Turn {
    pub(super) fn of(answer: &ModelTurn) -> Self {
        let name =
            |call: &types::ToolCall| CallName { id: call.id.clone(), tool: call.name.clone() };
        Self { calls: answer.calls.iter().map(name).collect(), ..Self::default() }
    }
}
