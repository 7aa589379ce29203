//! The orchestrator's half of the protocol: the only way in or out of a sandbox.
//!
//! One unix socket per job, served as plain HTTP/1.1. Everything that comes in is hostile: bodies
//! and connections are bounded, and a caller without the session key can do nothing but the first
//! hello. Once the key was used, nothing but headers is read of such a caller, and its connection
//! lasts two seconds at most, less if others come. A `CONNECT` of the key's holder becomes a connection
//! to a host, if the job's [`EgressPolicy`] allows it. The other way, a [`Dialer`] asks the agent for
//! connections into the sandbox. What a report *means* is the [`Sink`]'s
//! business (`jobs` implements it).

mod connections;
mod dials;
mod egress;
mod key;
mod orders;
mod routes;
mod server;
mod socket;

pub use dials::{DialError, Dialer, Inward};
pub use egress::EgressPolicy;
pub use key::KeyState;
pub use orders::{Orders, Told};
pub use server::{Gateway, OpenError};

use async_trait::async_trait;
use protocol::{AgentSpec, Hello, Report};
use types::{Egress, ModelAnswer, ModelRequest};

/// Where one job's agent's words go.
#[async_trait]
pub trait Sink: Send + Sync + std::fmt::Debug + 'static {
    /// The agent said hello. `new_key` is the hash of the key it is about to get, to be remembered;
    /// none if it had one already. The answer is what to do and the highest durable report number.
    async fn hello(
        &self,
        hello: Hello,
        new_key: Option<[u8; 32]>,
    ) -> Result<(AgentSpec, u64), SinkError>;

    /// The agent used the key with this hash for the first time; to be remembered. Hellos whose
    /// connections broke may have replaced that key meanwhile; from now on none may.
    async fn key_used(&self, key: [u8; 32]) -> Result<(), SinkError>;

    /// A connection is over or was refused; to be remembered.
    async fn egress(&self, egress: Egress) -> Result<(), SinkError>;

    /// The agent sent so many bytes of reports or questions, whatever becomes of them.
    fn received(&self, _bytes: usize) {}

    /// The agent asks a model. Dropped when the agent takes the question back.
    async fn model(&self, question: ModelRequest) -> Result<ModelAnswer, SinkError>;

    /// Reports, in the order they were sent. The answer is the highest durable number.
    async fn reports(&self, reports: Vec<Report>) -> Result<u64, SinkError>;
}

/// Why the sink did not take something.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It makes no sense; sending it again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// It could not be kept now; the agent is to try again.
    #[error("{0}")]
    Unavailable(String),
}
