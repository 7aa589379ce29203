//! The files of a sandbox whose workspace is a volume: there before it starts, fetched after it.

use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use engine::EngineError;
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::daemon::failed;
use crate::folder::io_error;
use crate::link::Link;
use crate::sandbox::Sandbox;
use crate::unpack::{Unpacked, unpack};
use crate::{archive, container};

/// By its path: what a job puts into `PATH` must not be run.
const DU: &str = "/usr/bin/du";

/// How long it may take.
const DU_PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes that `du` can say something with.
const DU_BYTES: usize = 256;

/// Puts what a job begins with into its volume.
pub(crate) async fn upload(link: &Link, sandbox: &Sandbox) -> Result<(), EngineError> {
    let (docker, job) = (&link.docker, sandbox.job);
    let body = container::filler(link.owner(), link.image(), &link.name(job), protocol::WORKSPACE);
    let made = docker.create_container(None, body).await;
    let filler = made.map_err(|e| failed(job, "make a container to fill its workspace", &e))?.id;
    let from = sandbox.folder.workspace();
    // Docker sets the owner of a volume only from outside it, Podman only from inside.
    let to = if link.is_podman() { (protocol::WORKSPACE, ".") } else { ("/", "workspace") };
    if link.is_podman() {
        // It gives a volume to container root when a container first starts with it: now, so that it
        // does not do so later. There is nothing to run, so the start fails after that.
        drop(docker.start_container(&filler, None).await);
    }
    let sent = archive::put_tree(docker, &filler, &from, to, protocol::COMMAND_ID).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let removed = docker.remove_container(&filler, Some(options)).await;
    sent.and(removed).map_err(|e| failed(job, "fill its workspace", &e))
}

/// Fetches a container's files into a directory of ours.
pub(crate) async fn fetch(
    docker: &Docker,
    name: &str,
    into: &Path,
    most: u64,
) -> io::Result<Unpacked> {
    let options = DownloadFromContainerOptionsBuilder::default().path(protocol::WORKSPACE).build();
    let pieces = docker.download_from_container(name, Some(options)).map_err(io::Error::other);
    let archive = SyncIoBridge::new(StreamReader::new(Box::pin(pieces)));
    let into = into.to_owned();
    tokio::task::spawn_blocking(move || unpack(archive, &into, most))
        .await
        .map_err(io::Error::other)?
}

/// Fetches what is left of a sandbox that has ended, and says how much it is: more than its limit, if
/// not all of it was taken. None if it could not be had.
pub(crate) async fn keep_result(docker: &Docker, name: &str, sandbox: &Sandbox) -> Option<u64> {
    let kept = async {
        let aside = sandbox.folder.aside()?;
        let fetched = fetch(docker, name, aside.path(), sandbox.disk_bytes).await;
        let fetched = fetched.map_err(|e| io_error("fetch a workspace into", aside.path(), e))?;
        let result = sandbox.folder.result();
        std::fs::rename(aside.keep(), &result).map_err(|e| io_error("make", &result, e))?;
        Ok::<_, EngineError>(fetched)
    };
    match kept.await {
        Ok(Unpacked { full: true, .. }) => Some(sandbox.disk_bytes + 1),
        Ok(Unpacked { bytes, .. }) => Some(bytes),
        Err(e) => {
            tracing::error!(job = %sandbox.job, "the files of a sandbox are lost: {e}");
            None
        }
    }
}

/// How much a running container's workspace holds, if its image has `du`.
pub(crate) async fn measure(docker: &Docker, name: &str) -> Option<u64> {
    timeout(DU_PATIENCE, measured(docker, name)).await.ok().flatten()
}

async fn measured(docker: &Docker, name: &str) -> Option<u64> {
    let command = ExecConfig {
        cmd: Some([DU, "-skx", protocol::WORKSPACE].map(String::from).into()),
        user: Some(format!("{0}:{0}", protocol::COMMAND_ID)),
        attach_stdout: Some(true),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(name, command).await.ok()?.id;
    let StartExecResults::Attached { mut output, .. } =
        docker.start_exec(&exec, None).await.ok()?
    else {
        return None;
    };
    let mut said = Vec::new();
    while let Some(Ok(LogOutput::StdOut { message })) = output.next().await {
        said.extend_from_slice(&message);
        if said.len() > DU_BYTES {
            break;
        }
    }
    let kibibytes: u64 = str::from_utf8(&said).ok()?.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}
