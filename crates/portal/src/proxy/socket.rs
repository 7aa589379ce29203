//! A WebSocket between a browser and a job. After both have agreed on it, it is but bytes.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink, split};
use tokio::time::timeout;
use types::JobId;

use super::line::Open;

/// How long a browser may take to close its side after the job has closed: what it sends meanwhile
/// would destroy what it has not read yet.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(5);

/// Carries bytes as soon as both sides are ready, until one of them has left or it may be no longer.
pub(super) fn join(
    job: JobId,
    viewer: OnUpgrade,
    inside: OnUpgrade,
    line: Open,
    lapsed: impl Future<Output = ()> + Send + 'static,
) {
    let carried = async move {
        match tokio::try_join!(viewer, inside) {
            Ok((viewer, inside)) => carry(TokioIo::new(viewer), TokioIo::new(inside)).await,
            Err(e) => tracing::debug!(%job, "a WebSocket came to nothing: {e}"),
        }
        drop(line);
    };
    tokio::spawn(async move {
        tokio::select! {
            () = lapsed => {}
            () = carried => {}
        }
    });
}

/// A browser that has stopped sending has left; nobody waits for what a job would still say.
async fn carry(viewer: impl AsyncRead + AsyncWrite, inside: impl AsyncRead + AsyncWrite) {
    let (mut from_viewer, mut to_viewer) = split(viewer);
    let (mut from_inside, mut to_inside) = split(inside);
    tokio::select! {
        _ = copy(&mut from_viewer, &mut to_inside) => return,
        _ = copy(&mut from_inside, &mut to_viewer) => {}
    }
    if to_viewer.shutdown().await.is_ok() {
        drop(timeout(FAREWELL_PATIENCE, copy(&mut from_viewer, &mut sink())).await);
    }
}
