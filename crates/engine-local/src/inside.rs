//! What a sandbox looks like from inside, as far as both halves must agree on it.

/// This engine's name.
pub(crate) const ENGINE: &str = "local";

/// Where programs are found, before what is exposed.
pub(crate) const PATH: &str = "/opt/cagent/bin:/usr/local/bin:/usr/bin:/bin";

/// Home of the job's user.
pub(crate) const HOME: &str = "/home/agent";

/// Where agentd keeps the scripts of steps; its own, readable by the job's user.
pub(crate) const STEPS: &str = "/run/steps";

/// Where the gateway's directory is.
pub(crate) const GATEWAY: &str = "/run/cagent";

/// Directories of a sandbox's disk that has its workspace and what it changed of its root file system.
pub(crate) mod layers {
    /// Its files.
    pub(crate) const WORKSPACE: &str = "workspace";
    /// What lies over the image.
    pub(crate) const UPPER: &str = "upper";
    /// What the kernel needs beside that.
    pub(crate) const WORK: &str = "work";
}
