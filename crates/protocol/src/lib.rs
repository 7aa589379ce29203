//! What a sandbox and the orchestrator say to each other: plain HTTP/1.1 over an ordered byte
//! stream, agentd being the client.
//!
//! | call | who may | body → answer |
//! |---|---|---|
//! | `POST /v1/hello` | anyone until a key was used, then the key's holder | [`Hello`] → [`Welcome`] |
//! | `POST /v1/reports` | the key's holder | [`Report`]s, one JSON document a line → [`Ack`] |
//! | `GET /v1/control` | the key's holder | → [`Control`]s, one JSON document a line, as long as the stream lives |
//! | `POST /v1/model` | the key's holder | [`types::ModelRequest`] → [`types::ModelAnswer`], which may take minutes |
//! | `POST /v1/dials/{n}` | the key's holder | with `Upgrade: cagent`: the connection the orchestrator asked for by [`Control::Dial`], its bytes both ways; without: why there is none, as text → nothing |
//! | `CONNECT host:port` | the key's holder | → the bytes of that connection, both ways; at once 403 if that is not allowed, 502 if the host cannot be found or reached, 503 if there are too many, and after 10 s 504; the body says why |
//!
//! The key travels as `Authorization: Bearer …`. Debug it with `curl --unix-socket`.
//!
//! Every report has a number. The orchestrator answers with the highest it has made durable; agentd
//! keeps what is not acknowledged and sends it again after a reconnect, and the orchestrator drops
//! what it already has. So a report is recorded exactly once.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod delivery;
#[cfg(feature = "client")]
mod inbox;
#[cfg(feature = "measure")]
mod measure;
mod message;
#[cfg(feature = "client")]
mod outbox;
#[cfg(feature = "relay")]
mod relay;
#[cfg(feature = "shell")]
pub mod shell;
#[cfg(feature = "client")]
mod tunnel;

#[cfg(feature = "client")]
pub use client::{Client, ClientError, Controls};
#[cfg(feature = "client")]
pub use delivery::{Backoff, deliver, persist};
#[cfg(feature = "client")]
pub use inbox::{Decision, Dialled, Inbox};
#[cfg(feature = "measure")]
pub use measure::{Watch, measure};
pub use message::{
    Ack, AgentSpec, Assignment, Checkpoint, CommandUser, Control, Data, Dial, Hello, Instruction,
    Report, ReportKind, Target, Verdict, Welcome, Wish,
};
#[cfg(feature = "client")]
pub use outbox::{MAX_OUTBOX_BYTES, Outbox};
#[cfg(feature = "relay")]
pub use relay::relay;
#[cfg(feature = "client")]
pub use tunnel::{TunnelError, Tunnels, tunnel};

/// The protocol's version. The orchestrator adapts to an older agentd, never the other way round.
pub const VERSION: u32 = 1;

/// Where a sandbox finds the gateway's socket.
pub const SOCKET: &str = "/run/cagent/gateway.sock";

/// The socket's name in the host's directory that is mounted as `/run/cagent`.
pub const SOCKET_NAME: &str = "gateway.sock";

/// Where a sandbox finds what we bring along: `bin/agentd`, `bin/ts`.
pub const TOOLS: &str = "/opt/cagent";

/// The job's files inside a sandbox.
pub const WORKSPACE: &str = "/workspace";

/// Where a sandbox finds the certificates it trusts, if the host has any: one PEM file.
pub const CA_BUNDLE: &str = "/etc/ssl/cagent.pem";

/// The same where only [`TOOLS`] are ours to fill; relative to them.
pub const TOOLS_CA_BUNDLE: &str = "ca.pem";

/// Set for agentd where all other variables it has are the image's, which commands then have too.
pub const IMAGE_VARIABLE: &str = "CAGENT_IMAGE";

/// Uid and gid of agentd inside a sandbox that has separate users.
pub const AGENT_ID: u32 = 0;

/// Uid and gid of the job's commands inside every sandbox.
pub const COMMAND_ID: u32 = 1000;

/// The largest batch of reports, in bytes; a larger one is refused.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The largest question to a model, in bytes; a larger one is refused. A window of a million tokens
/// has 4 MiB, the rest is for pictures.
pub const MAX_QUESTION_BYTES: usize = 32 * 1024 * 1024;

/// The most bytes of output one report carries.
pub const MAX_DATA_BYTES: usize = 64 * 1024;

/// What a connection becomes by `Upgrade` when it leads into the sandbox.
pub const PROTOCOL: &str = "cagent";

/// The paths of the calls.
pub mod path {
    /// [`Hello`](crate::Hello)
    pub const HELLO: &str = "/v1/hello";
    /// [`Report`](crate::Report)
    pub const REPORTS: &str = "/v1/reports";
    /// [`ModelRequest`](types::ModelRequest)
    pub const MODEL: &str = "/v1/model";
    /// [`Control`](crate::Control)
    pub const CONTROL: &str = "/v1/control";
    /// Where connections into the sandbox arrive; `/{n}` follows.
    pub const DIALS: &str = "/v1/dials";
}
