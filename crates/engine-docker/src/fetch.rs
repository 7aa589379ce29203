//! The files of a sandbox whose workspace is a volume: there before it starts, fetched after it.

use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use engine::EngineError;
use futures_util::{FutureExt, Stream, TryStreamExt, stream};
use tokio::time::timeout;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::archive;
use crate::daemon::{failed, root_of};
use crate::folder::io_error;
use crate::link::{Link, remove_container};
use crate::sandbox::Sandbox;
use crate::unpack::{Unpacked, unpack};

/// How long a daemon may send nothing of a result, before that is lost: as long as it may be away.
const RESULT_PATIENCE: Duration = Duration::from_secs(120);

/// Puts what a job begins with into its volume.
pub(crate) async fn upload(link: &Link, sandbox: &Sandbox) -> Result<(), EngineError> {
    let (docker, job) = (&link.docker, sandbox.job);
    let made = link.filler(job, &sandbox.name).await;
    let filler = made.map_err(|e| failed(job, "make a container to fill its workspace", &e))?;
    let from = sandbox.folder.workspace();
    // Docker sets the owner of a volume only from outside it, Podman only from inside.
    let to = if link.is_podman() { (protocol::WORKSPACE, ".") } else { ("/", "workspace") };
    if link.is_podman() {
        // It gives a volume to container root when a container first starts with it: now, so that it
        // does not do so later. There is nothing to run, so the start fails after that.
        drop(docker.start_container(&filler, None).await);
    }
    let sent = archive::put_tree(docker, &filler, &from, to, protocol::COMMAND_ID).await;
    let removed = remove_container(docker, &filler).await;
    sent.and(removed).map_err(|e| failed(job, "fill its workspace", &e))
}

/// Fetches a container's files into a directory of ours, from a daemon that may send nothing for so
/// long, and not any more once there is a reason against it.
pub(crate) async fn fetch(
    docker: &Docker,
    name: &str,
    into: &Path,
    most: u64,
    patience: Duration,
    against: impl Future<Output = String> + Send + 'static,
) -> io::Result<Unpacked> {
    let options = DownloadFromContainerOptionsBuilder::default().path(protocol::WORKSPACE).build();
    let pieces = Box::pin(docker.download_from_container(name, Some(options)));
    let pieces = patient(pieces, patience, Box::pin(against));
    let archive = SyncIoBridge::new(StreamReader::new(Box::pin(pieces)));
    let into = into.to_owned();
    tokio::task::spawn_blocking(move || unpack(archive, &into, most))
        .await
        .map_err(io::Error::other)?
}

/// Pieces as they come, and an error that ends them.
fn patient<T>(
    pieces: impl Stream<Item = Result<T, Error>> + Unpin,
    patience: Duration,
    against: impl Future<Output = String> + Unpin,
) -> impl Stream<Item = io::Result<T>> {
    let broken = |why: String| io::Error::new(io::ErrorKind::ConnectionAborted, why);
    stream::try_unfold((pieces, against), move |(mut pieces, mut against)| async move {
        let came = tokio::select! {
            biased;
            why = &mut against => return Err(broken(why)),
            came = timeout(patience, pieces.try_next()) => came,
        };
        match came {
            Ok(Ok(piece)) => Ok(piece.map(|piece| (piece, (pieces, against)))),
            Ok(Err(e)) => Err(broken(root_of(&e))),
            Err(_) => Err(broken(format!("the daemon sent nothing for {}s", patience.as_secs()))),
        }
    })
}

/// Fetches what is left of a sandbox that has ended, and says how much it is: more than its limit, if
/// not all of it was taken. None if it could not be had.
pub(crate) async fn keep_result(docker: &Docker, sandbox: &Sandbox) -> Option<u64> {
    let kept = async {
        let aside = sandbox.folder.aside()?;
        let against = sandbox.discarded().map(|()| "nobody wants it any more".to_owned());
        let (name, most) = (&sandbox.name, sandbox.disk_bytes);
        let fetched = fetch(docker, name, aside.path(), most, RESULT_PATIENCE, against).await;
        let fetched = fetched.map_err(|e| io_error("fetch a workspace into", aside.path(), e))?;
        sandbox.folder.keep_result(aside)?;
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

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pieces_end_with_silence_or_a_reason_against_more() {
        let pieces = || stream::iter([Ok(1)]).chain(stream::pending());
        let never = Box::pin(std::future::pending());
        let mut silent = Box::pin(patient(Box::pin(pieces()), RESULT_PATIENCE, never));
        assert_eq!(silent.try_next().await.unwrap(), Some(1));
        let error = silent.try_next().await.unwrap_err();
        assert_eq!(error.to_string(), "the daemon sent nothing for 120s");

        let soon = Box::pin(tokio::time::sleep(Duration::from_secs(15)).map(|()| "no".to_owned()));
        let mut ended = Box::pin(patient(Box::pin(pieces()), RESULT_PATIENCE, soon));
        assert_eq!(ended.try_next().await.unwrap(), Some(1));
        assert_eq!(ended.try_next().await.unwrap_err().to_string(), "no");
    }
}
