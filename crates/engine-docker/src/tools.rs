//! The volume with our programs, one for each content; containers see it read-only.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use engine::EngineError;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::archive::{self, add_bytes, add_dir};
use crate::daemon::{refused, root_of, useless};
use crate::filler::Fill;
use crate::folder::io_error;
use crate::link::remove_container;
use crate::{container, filler};

/// By which people find the volumes.
const LABEL: &str = "cagent.tools";

/// There, once all the others are.
const WHOLE: &str = ".whole";

/// Our programs, and the certificates that this machine trusts.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Paths relative to [`protocol::TOOLS`], in order; with mode and content.
    files: Vec<(PathBuf, u32, Vec<u8>)>,
    name: String,
    is_filled: AtomicBool,
    /// Held by whoever fills it.
    filling: Mutex<()>,
}

impl Tools {
    /// Reads what lies in this directory, and the certificates.
    pub(crate) fn read(dir: &Path, certificates: Option<&Path>) -> Result<Self, EngineError> {
        let mut files = Vec::new();
        read_into(&mut files, dir, Path::new("")).map_err(|e| io_error("read", dir, e))?;
        if let Some(path) = certificates {
            let bytes = fs::read(path).map_err(|e| io_error("read", path, e))?;
            files.push((protocol::TOOLS_CA_BUNDLE.into(), 0o644, bytes));
        }
        files.sort();
        let name = name_of(&files);
        Ok(Self { files, name, is_filled: AtomicBool::new(false), filling: Mutex::default() })
    }

    fn tar(&self) -> io::Result<Vec<u8>> {
        archive::in_memory(|tar| {
            add_dir(tar, Path::new("bin"), 0o755, 0)?;
            for (path, mode, bytes) in &self.files {
                add_bytes(tar, path, *mode, bytes)?;
            }
            add_bytes(tar, Path::new(WHOLE), 0o644, b"")
        })
    }

    /// The name of a volume that has them; filled again if somebody removed it meanwhile, by a container
    /// of this image.
    pub(crate) async fn volume(
        &self,
        docker: &Docker,
        owner: &str,
        image: &str,
    ) -> Result<String, EngineError> {
        if self.is_there(docker).await {
            return Ok(self.name.clone());
        }
        let _turn = self.filling.lock().await;
        if !self.is_there(docker).await {
            let made = self.make(docker, owner, image).await;
            made.map_err(|e| refused(image, &e).unwrap_or_else(|| not_made(&e)))?;
            self.is_filled.store(true, Ordering::Relaxed);
        }
        Ok(self.name.clone())
    }

    async fn is_there(&self, docker: &Docker) -> bool {
        self.is_filled.load(Ordering::Relaxed) && docker.inspect_volume(&self.name).await.is_ok()
    }

    async fn make(&self, docker: &Docker, owner: &str, image: &str) -> Result<(), Error> {
        let labels = [(LABEL, env!("CARGO_PKG_VERSION")), (container::OWNER, owner)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let volume = VolumeCreateRequest {
            name: Some(self.name.clone()),
            labels: Some(labels),
            ..Default::default()
        };
        docker.create_volume(volume).await?;
        let fill = Fill { owner, job: None, image, volume: &self.name, target: protocol::TOOLS };
        let filler = filler::make(docker, fill).await?;
        let filled = self.fill(docker, &filler).await;
        let removed = remove_container(docker, &filler).await;
        filled.and(removed)
    }

    async fn fill(&self, docker: &Docker, filler: &str) -> Result<(), Error> {
        if is_whole(docker, filler).await {
            return Ok(());
        }
        archive::put(docker, filler, protocol::TOOLS, self.tar()?).await
    }
}

/// Whether somebody filled the volume to the end before.
async fn is_whole(docker: &Docker, filler: &str) -> bool {
    let path = format!("{}/{WHOLE}", protocol::TOOLS);
    let options = DownloadFromContainerOptionsBuilder::default().path(&path).build();
    let mut found = docker.download_from_container(filler, Some(options));
    matches!(found.next().await, Some(Ok(_)))
}

/// The volume's name, by its content.
fn name_of(files: &[(PathBuf, u32, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (path, mode, bytes) in files {
        hash.update(format!("{}\0{mode:o}\0{}\0", path.display(), bytes.len()));
        hash.update(bytes);
    }
    let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cagent-tools-{hash}")
}

fn not_made(error: &Error) -> EngineError {
    useless(
        error,
        format!("the volume with our programs could not be made: {}", root_of(error)),
        "see the daemon's log, and that it has room on its disk",
    )
}

fn read_into(files: &mut Vec<(PathBuf, u32, Vec<u8>)>, dir: &Path, at: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, at, known) = (entry.path(), at.join(entry.file_name()), entry.metadata()?);
        if known.is_dir() {
            read_into(files, &path, &at)?;
        } else if known.is_file() {
            files.push((at, known.permissions().mode() & 0o755 | 0o444, fs::read(path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_content_is_another_volume() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(dir.path().join("bin/agentd"), "1").unwrap();
        let name = || Tools::read(dir.path(), None).unwrap().name;
        let first = name();
        assert_eq!(first, name());
        fs::write(dir.path().join("bin/agentd"), "2").unwrap();
        let second = name();
        assert_ne!(first, second);
        fs::rename(dir.path().join("bin/agentd"), dir.path().join("bin/other")).unwrap();
        assert_ne!(second, name());
        let certificates = Tools::read(dir.path(), Some(&dir.path().join("bin/other"))).unwrap();
        assert_ne!(certificates.name, name());
    }
}
