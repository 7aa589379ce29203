//! The engines of a server, and how each is set up.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Engine;
use engine_docker::{DockerConfig, DockerEngine};
use engine_local::{LocalConfig, LocalEngine};
use jobs::OpenError;

use super::Purpose;
use crate::settings::{EngineName, Settings};
use crate::tools;

/// Those that the settings name; who only looks has none.
pub(super) fn open(settings: &Settings, purpose: Purpose) -> anyhow::Result<Vec<Arc<dyn Engine>>> {
    Ok(match purpose {
        Purpose::Serve | Purpose::Work => {
            settings.engines.iter().map(|name| engine(*name, settings)).collect::<Result<_, _>>()?
        }
        Purpose::Look => vec![],
    })
}

fn engine(name: EngineName, settings: &Settings) -> anyhow::Result<Arc<dyn Engine>> {
    Ok(match name {
        EngineName::Local => Arc::new(LocalEngine::open(engine_config(settings)?)?),
        EngineName::Docker => Arc::new(DockerEngine::open(docker_config(settings)?)?),
    })
}

/// Where the images of the embedded engine are.
pub(crate) fn images(settings: &Settings) -> PathBuf {
    settings.data_dir.join("images")
}

/// How the embedded engine is set up, with its tools in place.
pub(crate) fn engine_config(settings: &Settings) -> anyhow::Result<LocalConfig> {
    make_private(&settings.data_dir)?;
    warn_if_open(&settings.data_dir)?;
    let tools = tools::unpack(&settings.data_dir)?;
    Ok(LocalConfig {
        home: settings.data_dir.join("sandboxes"),
        helper: tools.helper,
        tools: tools.inside,
        expose: settings.expose.clone(),
        images: images(settings),
        uids: settings.uids,
    })
}

/// How the Docker engine is set up, with its tools in place.
pub(crate) fn docker_config(settings: &Settings) -> anyhow::Result<DockerConfig> {
    make_private(&settings.data_dir)?;
    let tools = tools::unpack(&settings.data_dir)?;
    Ok(DockerConfig {
        home: settings.data_dir.join("docker"),
        tools: tools.inside,
        image: settings.image.clone(),
        host: settings.docker_host.clone(),
        runtime: settings.docker_runtime.clone(),
    })
}

/// Before anything is put there: prompts and results are nobody else's business.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| OpenError::Directory { path: dir.into(), source })
}

/// A directory that was there before stays as its owner made it.
fn warn_if_open(dir: &Path) -> Result<(), OpenError> {
    let found =
        dir.metadata().map_err(|source| OpenError::Directory { path: dir.into(), source })?;
    if found.mode() & 0o007 != 0 {
        let dir = dir.display();
        tracing::warn!("{dir} is open to other users of this machine; `chmod o= {dir}` shuts it");
    }
    Ok(())
}
