use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use runbook::Runbook;
use serde::{Deserialize, Serialize};
use types::{
    JobId, JobResult, ModelFacts, NoticeLevel, Plan, Reason, Resumes, StepKind, StepOutcome,
    Stream, Waiting,
};

/// The first thing agentd says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol it speaks.
    pub protocol: u32,
    /// Its own version, for people.
    pub agent_version: String,
}

/// The answer to [`Hello`].
#[derive(Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The session key, on the first connection; agentd keeps it in its memory only.
    pub session_key: Option<String>,
    /// What to do.
    pub spec: AgentSpec,
    /// The highest report number that is already durable; 0 for none.
    pub acked: u64,
}

// The key must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome")
            .field("spec", &self.spec)
            .field("acked", &self.acked)
            .finish_non_exhaustive()
    }
}

/// What an agent is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Its job.
    pub job: JobId,
    /// The work.
    pub assignment: Assignment,
    /// Whether a person approves every step before it is run.
    #[serde(default)]
    pub approve: bool,
    /// Whether dependency caches are delivered too.
    #[serde(default)]
    pub include_caches: bool,
    /// Whom commands run as, or null where the sandbox has but one user.
    pub command_user: Option<CommandUser>,
    /// More variables for commands.
    pub environment: BTreeMap<String, String>,
    /// Whether the desktop is to be there before the first step.
    #[serde(default)]
    pub desktop: bool,
    /// Where to go on, if the flow ran before.
    pub checkpoint: Option<Checkpoint>,
    /// The job in whose workspace it goes on, because a person asks for it: what was interrupted
    /// there is to be done again.
    #[serde(default)]
    pub resumes: Option<Resumes>,
}

/// The work of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Assignment {
    /// Blocks to run, in order, without a model.
    Runbook {
        /// They.
        runbook: Runbook,
    },
    /// A task in plain language.
    Task {
        /// The task, word for word.
        prompt: String,
        /// The model that will answer first.
        model: ModelFacts,
    },
}

/// Whom commands run as, seen from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The state of a flow between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The node that comes next.
    pub node: String,
    /// The flow's state; only the flow knows its shape.
    pub state: serde_json::Value,
}

/// One numbered report of agentd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// 1, 2, 3 … without gaps.
    pub n: u64,
    /// When it happened, by the sandbox's clock.
    pub at: Timestamp,
    /// What happened.
    pub report: ReportKind,
}

/// What agentd reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReportKind {
    /// A node begins.
    NodeStarted {
        /// Its name.
        node: String,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A node is done, or a try of it failed.
    NodeFinished {
        /// Its name.
        node: String,
        /// The action it decided on, or null if the try failed.
        action: Option<String>,
        /// Why the try failed.
        error: Option<String>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A step begins.
    StepStarted {
        /// 1, 2, 3 …
        step: u32,
        /// What kind.
        kind: StepKind,
        /// For people.
        title: String,
        /// Line of its block in the runbook, from 1; 0 where there is none.
        line: u32,
        /// What an agent's step runs, or the whole content of the file it writes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A step wrote something.
    Output {
        /// Which step.
        step: u32,
        /// Where to.
        stream: Stream,
        /// What, at most [`MAX_DATA_BYTES`](crate::MAX_DATA_BYTES); cut between characters where
        /// it is text.
        data: Data,
    },
    /// A step is done.
    StepFinished {
        /// Which one.
        step: u32,
        /// How it went.
        outcome: StepOutcome,
        /// Its exit code; 128 + n if signal n killed it.
        exit_code: Option<i32>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// Something worth knowing.
    Notice {
        /// How serious.
        level: NoticeLevel,
        /// For people.
        text: String,
    },
    /// The agent says something to whoever watches.
    Said {
        /// What.
        text: String,
    },
    /// What the agent means to do; replaces the plan before it.
    Plan {
        /// The whole plan.
        plan: Plan,
    },
    /// A person is to decide before anything goes on. Their answer is an [`Instruction`].
    Waiting {
        /// What about.
        waiting: Waiting,
    },
    /// What the agent made; before `Finished`.
    Result {
        /// It.
        result: JobResult,
    },
    /// The flow's state after a node; the newest replaces those before.
    Checkpoint(Checkpoint),
    /// The flow is over; always the last report.
    Finished(Verdict),
}

/// How the agent says its work went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every step did what it should.
    Complete,
    /// A step ended with the wrong exit code.
    StepFailed {
        /// Which one.
        step: u32,
        /// Its exit code.
        exit_code: i32,
        /// For people.
        error: String,
    },
    /// A step ran longer than its `timeout=`.
    StepTimeout {
        /// Which one.
        step: u32,
        /// For people.
        error: String,
    },
    /// An agent's work ended without success: the model, its checks, its circles, a person's no.
    GaveUp {
        /// Why, for programs; what an agent cannot know counts as `agent_failed`.
        reason: Reason,
        /// Why, for people.
        error: String,
    },
    /// The orchestrator asked it to stop, and it did.
    Cancelled,
    /// The agent itself failed.
    Failed {
        /// For people.
        error: String,
    },
}

/// The answer to a batch of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The highest number that is durable.
    pub acked: u64,
}

/// What the orchestrator tells a working agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// The stream is open; always the first line.
    Ready,
    /// Something a person wants. Every stream brings all of the job's, oldest first; the agent
    /// drops those it has.
    Instruction(Instruction),
    /// Open a connection into the sandbox and bring it to [`path::DIALS`](crate::path::DIALS), or
    /// say there why not. Every stream brings those that still wait; the agent drops those it has.
    Dial(Dial),
    /// Stop the running step (TERM, grace, KILL), then report `Finished(Cancelled)`.
    Cancel,
}

/// A connection that the orchestrator wants into a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// Its number, larger than those before, also across restarts of the orchestrator.
    pub n: u64,
    /// Where to.
    pub to: Target,
}

/// What in a sandbox can be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "target", rename_all = "snake_case")]
pub enum Target {
    /// A TCP port on its loopback that the job's programs listen on.
    Port {
        /// It.
        port: u16,
    },
    /// The desktop, by RFB; it is started if it is not there yet.
    Desktop,
    /// Jupyter Lab, by HTTP; it is started if it is not there yet.
    Jupyter,
    /// A picture of the desktop: one PNG, then the end. It is started if it is not there yet.
    Screenshot,
    /// A program that a person runs: frames, see `shell`.
    Shell,
}

/// Something a person wants of a working agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// The `seq` of its event: larger than those before.
    pub n: u64,
    /// What.
    pub wish: Wish,
}

/// What a person can want of a working agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Wish {
    /// That it hears this.
    Message {
        /// The text.
        text: String,
    },
    /// That a step which waits is run, or not.
    Decision {
        /// Its number.
        step: u32,
        /// Whether it may be run.
        approved: bool,
        /// Why not, for the agent.
        reason: Option<String>,
    },
    /// That the agent keeps its hands off the desktop, or has it back.
    Desktop {
        /// Whether a person has it now.
        taken: bool,
    },
}

/// Bytes a step wrote. On the wire `{"text": …}` where they are UTF-8, else `{"base64": …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireData {
    Text(String),
    Base64(String),
}

impl Serialize for Data {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(&self.0) {
            Ok(text) => WireData::Text(text.into()),
            Err(_) => WireData::Base64(BASE64_STANDARD.encode(&self.0)),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match WireData::deserialize(from)? {
            WireData::Text(text) => Ok(Self(text.into_bytes())),
            WireData::Base64(code) => {
                BASE64_STANDARD.decode(code).map(Self).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_readable_and_bytes_survive() {
        let text = serde_json::to_string(&Data(b"hi\n".to_vec())).unwrap();
        assert_eq!(text, r#"{"text":"hi\n"}"#);
        let binary = Data(vec![0, 159, 146, 150]);
        let back = serde_json::from_str::<Data>(&serde_json::to_string(&binary).unwrap()).unwrap();
        assert_eq!(back, binary);
    }

    #[test]
    fn a_welcome_hides_its_key() {
        let welcome = Welcome {
            session_key: Some("s3cret".into()),
            spec: AgentSpec {
                job: JobId::generate(),
                assignment: Assignment::Runbook {
                    runbook: Runbook { title: None, blocks: vec![] },
                },
                approve: false,
                include_caches: false,
                command_user: None,
                environment: BTreeMap::new(),
                desktop: false,
                checkpoint: None,
                resumes: None,
            },
            acked: 0,
        };
        assert!(!format!("{welcome:?}").contains("s3cret"));
    }
}
