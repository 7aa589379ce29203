use std::path::PathBuf;

/// How the Docker engine is set up.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// One folder per sandbox goes here.
    pub home: PathBuf,
    /// What sandboxes see as [`protocol::TOOLS`]: `bin/agentd`, `bin/ts`.
    pub tools: PathBuf,
    /// The image of a job that names none.
    pub image: String,
    /// The daemon, as `DOCKER_HOST` names it; the machine's own if none.
    pub host: Option<String>,
    /// The OCI runtime containers are run by, such as `runsc`; the daemon's default if none.
    pub runtime: Option<String>,
}
