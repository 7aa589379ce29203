//! Who is connected. Any command of the job may be able to connect, so a connection that has not
//! shown the session key is a guest: it has little time, and makes room for whoever comes next.
//!
//! Not here: what a caller may do ([`crate::routes`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::routes::{self, Session};

/// The most connections of one gateway. The agent needs two, and a reconnect begins before the
/// gateway has noticed that the old connection broke.
const MAX_CONNECTIONS: usize = 8;

/// How long a connection may last without the key: headers, body, answer and all.
const GUEST_TIME: Duration = Duration::from_secs(2);

/// What one connection may make the server keep of what it reads; also the longest headers.
const BUFFER_BYTES: usize = 64 * 1024;

/// The pause after a failed accept: the process has no descriptors left, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether a connection belongs to the agent; it never becomes a guest again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(Arc<AtomicBool>);

impl Trust {
    pub(crate) fn give(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Connection {
    trust: Trust,
    task: AbortOnDropHandle<()>,
}

/// Serves until `closing`, and then until every connection has ended. Dropping it ends them all.
pub(crate) async fn serve(listener: UnixListener, session: Session, closing: CancellationToken) {
    let mut open = VecDeque::new();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                make_room(&mut open).await;
                open.push_back(connection(stream, session.clone(), closing.clone()));
            }
            Err(e) => {
                tracing::warn!("a gateway cannot accept a connection: {e}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for connection in open {
        drop(connection.task.await);
    }
}

/// Closes a connection if there are too many: the oldest guest's, so that guests can keep nobody
/// out and cannot push out the agent.
async fn make_room(open: &mut VecDeque<Connection>) {
    open.retain(|connection| !connection.task.is_finished());
    if open.len() < MAX_CONNECTIONS {
        return;
    }
    let oldest_guest = open.iter().position(|connection| !connection.trust.is_given());
    if let Some(connection) = open.remove(oldest_guest.unwrap_or(0)) {
        connection.task.abort();
        // Its descriptor is free only then.
        drop(connection.task.await);
    }
}

fn connection(stream: UnixStream, session: Session, closing: CancellationToken) -> Connection {
    let trust = Trust::default();
    let task = tokio::spawn(talk(stream, session, trust.clone(), closing));
    Connection { trust, task: AbortOnDropHandle::new(task) }
}

async fn talk(stream: UnixStream, session: Session, trust: Trust, closing: CancellationToken) {
    let service = TowerToHyperService::new(routes::router(session, trust.clone()));
    let connection = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // How it ended is the caller's business.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = overstayed(&trust) => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

async fn overstayed(guest: &Trust) {
    sleep(GUEST_TIME).await;
    if guest.is_given() {
        std::future::pending().await
    }
}
