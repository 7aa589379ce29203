//! The Docker engine: sandboxes as hardened containers of a Docker or Podman daemon.
//!
//! ```text
//!  mounted:  <home>/<job>/gateway ──bind──► /run/cagent     <home>/<job>/workspace ──bind──► /workspace
//!  bridged:  <home>/<job>/gateway ◄─ bridge ═ exec ═ agentd bridge ─► /run/cagent    volume ──► /workspace
//! ```
//!
//! Which of the two is found out once, by a container that tries the first (`probe`). A sandbox's
//! container carries in labels all that another orchestrator needs to go on with it. What the daemon
//! does not enforce, wall time and disk, one task for each sandbox watches (`watch`).
//!
//! Not here: making the agent image (`image/`), what goes on inside (crate `agent`).

mod again;
mod archive;
mod bridge;
mod census;
mod config;
mod container;
mod daemon;
mod engine;
mod fetch;
mod filler;
mod folder;
mod link;
mod look;
mod make;
mod measure;
mod notes;
mod own;
mod owner;
mod place;
mod probe;
mod report;
mod sandbox;
mod socket;
mod sweep;
mod tools;
mod unpack;
mod usage;
mod watch;

pub use config::DockerConfig;
pub use daemon::connect;
pub use engine::DockerEngine;

/// The engine's name.
const ENGINE: &str = "docker";
