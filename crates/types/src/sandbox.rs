use serde::{Deserialize, Serialize};

/// What stands between a job and the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Nothing; only the fake engine of the tests says so.
    None,
    /// Namespaces and seccomp of the host's kernel.
    Namespace,
    /// A container of a daemon, on the host's kernel.
    Container,
    /// A kernel in user space between the job and the host's.
    Gvisor,
    /// A kernel of its own in a virtual machine.
    Microvm,
}

/// Something the engine was asked to enforce and cannot here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Shortfall {
    /// What is not enforced: `memory`, `cpu`, `processes`, `disk`, `separate_users` …
    pub what: String,
    /// Why not, on this machine.
    pub why: String,
    /// What an operator can do about it.
    pub cure: String,
}

/// How a job's sandbox is really protected; shown on the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SandboxReport {
    /// The engine that made it.
    pub engine: String,
    /// What stands between the job and the host.
    pub isolation: Isolation,
    /// What was asked for and is not enforced; empty is good.
    pub shortfalls: Vec<Shortfall>,
}
