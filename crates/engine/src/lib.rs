//! What an engine is. It makes and unmakes sandboxes and nothing else: commands, ports and logs go
//! through the gateway.
//!
//! Invariant: every engine passes the same suite, `conformance::suite`.

mod certificates;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "conformance")]
mod fake;
mod identity;
mod moment;
mod sandbox;
mod workspace;

use async_trait::async_trait;
pub use certificates::ca_bundle;
#[cfg(feature = "conformance")]
pub use fake::{FakeAgent, FakeEngine};
pub use identity::identity;
pub use moment::Moment;
pub use sandbox::{Ended, EngineError, SandboxEnd, SandboxSpec, SandboxState};
use std::path::PathBuf;
use types::{JobId, SandboxReport, Usage};
pub use workspace::Workspace;

/// Makes and unmakes sandboxes, each named by its job.
///
/// ```text
/// (nothing) ── create ──► Created ── start ──► Running ──► Ended ── keep ──► Ended, files only
///     ▲                    │   ▲                  │ stop     │                 │    │
///     └────────────────────┴───│──── remove ──────┴──────────┴─────────────────┘    │
///                              └─────────────── adopt, by another job ──────────────┘
/// ```
///
/// A sandbox outlives the orchestrator; after a restart `list` finds it again and every call works
/// as before.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// The engine's name: `local`, `docker` …
    fn name(&self) -> &'static str;

    /// What a sandbox of this engine is protected by, and what of the job's limits cannot be
    /// enforced on this machine.
    async fn report(&self) -> Result<SandboxReport, EngineError>;

    /// Whether a job that names no image could begin at this moment. Asked every second, so it is cheap.
    async fn ready(&self) -> Result<(), EngineError> {
        self.list().await.map(drop)
    }

    /// Makes everything a sandbox needs but starts nothing.
    ///
    /// After it, the workspace and the gateway directory exist. A failure leaves nothing behind.
    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError>;

    /// Starts agentd inside. Wall time counts from here.
    async fn start(&self, job: JobId) -> Result<(), EngineError>;

    /// Kills everything inside, at once. No error if it has ended already.
    async fn stop(&self, job: JobId) -> Result<(), EngineError>;

    /// Waits until the sandbox has ended. Any number of callers may wait, also after a restart.
    async fn wait(&self, job: JobId) -> Result<Ended, EngineError>;

    /// Every sandbox of this engine and its state.
    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError>;

    /// What a sandbox has used so far.
    async fn stats(&self, job: JobId) -> Result<Usage, EngineError>;

    /// Stops it if it runs, then removes all it left: files, mounts, cgroups, sockets. No error if
    /// there is nothing to remove.
    async fn remove(&self, job: JobId) -> Result<(), EngineError>;

    /// Lets go of all that an ended sandbox has but its workspace, which stays until it is removed or
    /// adopted. An error if there is no workspace to keep.
    async fn keep(&self, job: JobId) -> Result<(), EngineError>;

    /// Like `create`, but on the workspace that the sandbox of `from` left, which is gone after it.
    /// What another call had begun, it completes; a sandbox that was made like this and has not begun
    /// its work is made again. Only a workspace that this kind of sandbox cannot have is refused.
    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError>;

    /// The job's files, opened; also of a sandbox that has ended. What is in it is hostile.
    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError>;

    /// The host's directory that the sandbox sees as `/run/cagent`; the gateway's socket goes here.
    fn gateway_dir(&self, job: JobId) -> PathBuf;

    /// Whom commands run as inside, or `None` where agentd has no user of its own.
    fn command_user(&self) -> Option<u32>;
}
