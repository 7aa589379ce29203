//! Who is connected. Any command of the job may be able to connect, so a connection that has not
//! shown the session key is a guest: it has little time, and makes room for whoever comes next.
//!
//! A connection that has become a way out is no longer ours to count.
//!
//! Not here: what a caller may do ([`crate::routes`]), how many ways out there may be
//! ([`crate::egress`]).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::routes::{Caller, Session};
use crate::socket::Socket;

/// The most connections of one gateway, ways out not counted. The agent needs two, and a reconnect
/// begins before the gateway has noticed that the old connection broke; the others are for those
/// who have called but not been heard yet.
const MAX_CONNECTIONS: usize = 32;

/// How long a connection may last without the key: headers, body, answer and all.
const GUEST_TIME: Duration = Duration::from_secs(2);

/// What one connection may make the server keep of what it reads; also the longest headers.
const BUFFER_BYTES: usize = 64 * 1024;

/// The pause after a failed accept: the process has no descriptors left, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection is: a guest, the agent's, or a way out. It never becomes less again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<AtomicU8>);

const GUEST: u8 = 0;
const AGENT: u8 = 1;
const WAY_OUT: u8 = 2;

impl Standing {
    /// The key was shown.
    pub(crate) fn rise(&self) {
        self.0.fetch_max(AGENT, Ordering::Relaxed);
    }

    /// It becomes a way out, or ends.
    pub(crate) fn leave(&self) {
        self.0.fetch_max(WAY_OUT, Ordering::Relaxed);
    }

    fn is(&self, standing: u8) -> bool {
        self.0.load(Ordering::Relaxed) == standing
    }
}

struct Connection {
    standing: Standing,
    task: AbortOnDropHandle<()>,
}

/// Serves until `closing`, and then until every connection has ended. Dropping it ends them all.
pub(crate) async fn serve(mut socket: Socket, session: Session, closing: CancellationToken) {
    let mut open = VecDeque::new();
    while let Some(accepted) = closing.run_until_cancelled(socket.accept()).await {
        match accepted {
            Ok(stream) => {
                make_room(&mut open).await;
                open.push_back(connection(stream, session.clone(), closing.clone()));
                // Lets those who came speak before others come, lest they look like guests.
                tokio::task::yield_now().await;
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
    let first = |standing| open.iter().position(|connection| connection.standing.is(standing));
    let counted = open.iter().filter(|connection| !connection.standing.is(WAY_OUT)).count();
    if counted < MAX_CONNECTIONS {
        return;
    }
    let oldest = first(GUEST).or_else(|| first(AGENT));
    if let Some(connection) = oldest.and_then(|oldest| open.remove(oldest)) {
        connection.task.abort();
        // Its descriptor is free only then.
        drop(connection.task.await);
    }
}

fn connection(stream: UnixStream, session: Session, closing: CancellationToken) -> Connection {
    let standing = Standing::default();
    let task = tokio::spawn(talk(stream, session, standing.clone(), closing).in_current_span());
    Connection { standing, task: AbortOnDropHandle::new(task) }
}

async fn talk(
    stream: UnixStream,
    session: Session,
    standing: Standing,
    closing: CancellationToken,
) {
    let caller = Caller::new(session, standing.clone());
    let router = TowerToHyperService::new(caller.clone().router());
    let service = service_fn(|request| answer(&caller, &router, request));
    let connection = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // How it ended is the caller's business.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = overstayed(&standing) => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

async fn answer(
    caller: &Caller,
    router: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::CONNECT {
        return Ok(caller.connect(request).await);
    }
    router.call(request).await
}

async fn overstayed(guest: &Standing) {
    sleep(GUEST_TIME).await;
    if !guest.is(GUEST) {
        std::future::pending().await
    }
}
