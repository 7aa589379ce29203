//! What the engine tells the helper about one sandbox. Written by `create`, read by the helper and,
//! after a restart, by the engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use types::Limits;

use crate::cgroup::Place;

/// Layout of [`Plan`] and of the control socket. A helper of an older orchestrator may be alive
/// when a newer one starts.
pub(crate) const VERSION: u32 = 1;

/// One sandbox, ready to be started. Workspace and gateway directory are beside the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    pub(crate) limits: Limits,
    pub(crate) users: Users,
    /// Where its cgroups go.
    pub(crate) place: Place,
    /// Name of its cgroups.
    pub(crate) name: String,
    pub(crate) tools: PathBuf,
    pub(crate) expose: Vec<PathBuf>,
    /// The certificates that the host trusts.
    pub(crate) ca_bundle: Option<PathBuf>,
    /// `PATH` inside.
    pub(crate) path: String,
    /// Its own root file system; without one it has the host's `/usr`.
    #[serde(default)]
    pub(crate) root: Option<Root>,
    /// Which folder it is for: a copy of that is nobody's sandbox. The first plans did not say it.
    #[serde(default)]
    pub(crate) folder: Option<String>,
    /// Whether the workspace is an image, whose mount the helper finds in the place of stdin.
    #[serde(default)]
    pub(crate) image: bool,
    /// What runs as PID 1; never empty.
    pub(crate) command: Vec<String>,
}

/// The tree of an agent image, which is never written, and what its maker set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) tree: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

/// Who is who, on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Users {
    /// agentd (0 inside) and commands (1000 inside) have a host uid of their own each, and a gid
    /// of the same number.
    Separate { agentd: u32, commands: u32 },
    /// Both are the caller (1000 inside).
    Shared { uid: u32, gid: u32 },
}
