//! The connection to the Docker daemon.

use std::time::Duration;

use anyhow::Context as _;
use bollard::Docker;

use crate::settings::Settings;

/// Where a daemon is that nobody named.
const USUAL: &str = "unix:///var/run/docker.sock";

/// How long the daemon may take to begin an answer: it does so when an import is over.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Connects, and agrees on a version of the API.
pub(super) async fn connect(settings: &Settings) -> anyhow::Result<Docker> {
    let host = settings.docker_host.as_deref().unwrap_or(USUAL);
    let cure = || {
        format!(
            "no Docker daemon answers at {host}; start it, name another one (DOCKER_HOST), or ask \
             to be put into the group that may use it"
        )
    };
    let docker = Docker::connect_with_host(host).with_context(cure)?;
    docker.with_timeout(PATIENCE).negotiate_version().await.with_context(cure)
}
