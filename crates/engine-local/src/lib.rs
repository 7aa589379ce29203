//! The embedded engine: sandboxes made of plain system calls, with nothing to install.
//!
//! Two halves that share only files and a socket in the sandbox's folder:
//!
//! ```text
//! LocalEngine (in the orchestrator)            sandbox-helper (one process a sandbox)
//!   create: folder, uids, plan.json    ──►       reads plan.json, clones, mounts, limits
//!   stop, stats, wait: helper.sock     ◄──►      kills, measures, keeps the wall time
//!   after the end: ended.json          ◄──       writes it last
//! ```
//!
//! The helper outlives the orchestrator. If the helper is killed, the kernel kills all inside.
//! Not here: what runs inside (agentd), and anything that passes between it and the orchestrator.

mod cgroup;
mod client;
mod config;
mod control;
mod disk;
mod engine;
mod folder;
pub mod helper;
mod home;
mod hung;
mod inside;
mod patience;
mod plan;
pub mod probe;
mod report;
mod start;
mod sweep;
mod uids;

pub use config::{LocalConfig, UidRange};
pub use engine::LocalEngine;
