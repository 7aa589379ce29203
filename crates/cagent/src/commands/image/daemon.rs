//! The connection to the Docker daemon.

use std::time::Duration;

use bollard::Docker;

use crate::settings::Settings;

/// How long the daemon may take to begin an answer: it does so when an import is over.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Connects as the engine does.
pub(super) async fn connect(settings: &Settings) -> anyhow::Result<Docker> {
    let docker = engine_docker::connect(settings.docker_host.as_deref()).await?;
    Ok(docker.with_timeout(PATIENCE))
}
