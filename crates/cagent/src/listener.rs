//! Serves HTTP on a listener, so that no client can hold up the others: as many connections as
//! there are file descriptors for, none that says nothing, and none that does not read.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::TryFutureExt as _;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::patient::{Patient, Upgraded};

/// How long a connection may be open without a whole request head, also between two requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what is sent to it. Less could cut off one behind a slow
/// tunnel, whose reading shows only when the kernel's buffers have some room again.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// What is kept of a connection's bytes in each direction, a request's head included.
const BUFFER_BYTES: usize = 64 * 1024;

/// What the kernel keeps of what a client has not taken; by itself it would keep megabytes.
const KERNEL_BYTES: usize = 256 * 1024;

/// How long a client may be out of reach: somebody whose machine is gone must not keep what they
/// hold, such as a desktop's mouse and keyboard. They are asked thrice, from when they are silent for
/// so long.
const REACH_PATIENCE: Duration = Duration::from_secs(50);
const SILENCE: Duration = Duration::from_secs(20);
const QUESTIONS: u32 = 3;

/// How long a connection that is asked for nothing stays when the server stops: what its client sent
/// before it could know is answered. Hyper closes such a connection without looking.
const LINGER: Duration = Duration::from_millis(50);

/// How long to wait when no connection can be taken (no file descriptor left, usually).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// File descriptors that are not for clients: the store, logs, ZIPs, gateways.
const RESERVED_FILES: u64 = 256;

/// More clients than this are more than one machine's jobs are good for.
const MOST_CONNECTIONS: u64 = 4096;

/// Room for clients, of all listeners together: they share this process's file descriptors.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(connections())));

/// Gets this process all the file descriptors it may have: a server that comes back takes many before
/// it listens.
pub(crate) fn raise_files() {
    LazyLock::force(&SLOTS);
}

/// Serves until `closing`, then until the last request of before is answered. Who comes in between
/// gets one answer: a client that asks for a job hears that it must come again.
pub(crate) async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) {
    if let Err(e) = bound(&listener) {
        tracing::debug!("could not bound what the kernel does for clients: {e}");
    }
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(BUFFER_BYTES);
    let open = TaskTracker::new();
    loop {
        let (stream, slot) = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accept(&listener, &SLOTS) => accepted,
        };
        let upgraded = Upgraded::default();
        // What a connection is upgraded to is whoever's that did it; its slot goes with it.
        let stream = Patient::new(stream, WRITE_PATIENCE, upgraded.clone(), slot);
        let service = service_fn(telling(service.clone(), upgraded));
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let closing = closing.clone();
        let leave = async move {
            closing.cancelled().await;
            sleep(LINGER).await;
        };
        open.spawn(async move {
            let mut connection = pin!(connection);
            let served = tokio::select! {
                // On a busy machine both may be there at once.
                biased;
                served = connection.as_mut() => served,
                () = leave => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            tell(served);
        });
    }
    open.close();
    let late = async {
        loop {
            let (stream, slot) = accept(&listener, &SLOTS).await;
            let stream = Patient::new(stream, WRITE_PATIENCE, Upgraded::default(), slot);
            let stream = TokioIo::new(stream);
            let connection = http.keep_alive(false).serve_connection(stream, service.clone());
            tokio::spawn(async move { tell(connection.await) });
        }
    };
    tokio::select! {
        () = open.wait() => {}
        never = late => never,
    }
}

/// Says of its connection when it becomes something else.
fn telling(
    service: TowerToHyperService<Router>,
    upgraded: Upgraded,
) -> impl Fn(Request<Incoming>) -> BoxFuture<'static, Result<Response, Infallible>> {
    move |request| {
        let (answer, upgraded) = (service.call(request), upgraded.clone());
        Box::pin(answer.inspect_ok(move |answer| {
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                upgraded.set();
            }
        }))
    }
}

fn tell(served: hyper::Result<()>) {
    if let Err(e) = served {
        tracing::debug!("a connection ended early: {e}");
    }
}

/// What connections have from their listener.
fn bound(listener: &TcpListener) -> rustix::io::Result<()> {
    sockopt::set_socket_send_buffer_size(listener, KERNEL_BYTES)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, SILENCE)?;
    sockopt::set_tcp_keepintvl(listener, (REACH_PATIENCE - SILENCE) / QUESTIONS)?;
    sockopt::set_tcp_keepcnt(listener, QUESTIONS)?;
    // While something is on its way to them, nobody asks.
    let millis = u32::try_from(REACH_PATIENCE.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(listener, millis)
}

/// The next connection, once there is a slot for it; others wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Fails only if the semaphore was closed, which nobody does.
    let slot = slots.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                without_delay(&stream);
                return (stream, slot);
            }
            Err(e) => {
                tracing::warn!("could not take a connection: {e}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Live events are many small writes; with Nagle's algorithm each waits for the client's
/// acknowledgement, which clients put off for up to 40 ms.
fn without_delay(stream: &TcpStream) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("could not turn off delays on a connection: {e}");
    }
}

/// How many clients may be connected, after this process got all the file descriptors it may have.
fn connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current };
    // No limit at all is more than enough.
    let clients = files.map_or(MOST_CONNECTIONS, |files| files.saturating_sub(RESERVED_FILES));
    usize::try_from(clients.clamp(16, MOST_CONNECTIONS)).unwrap_or(16)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn answer(client: &mut TcpStream) -> String {
        let mut answer = vec![0; 1024];
        let read = tokio::time::timeout(PATIENCE, client.read(&mut answer)).await.unwrap();
        answer.truncate(read.unwrap());
        String::from_utf8(answer).unwrap()
    }

    /// By who was answered before, and by who has said nothing yet.
    #[tokio::test]
    async fn what_was_sent_when_the_end_came_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, closing) = (Router::new(), CancellationToken::new());
        let serving = tokio::spawn(serve(listener, router, closing.clone()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut known = TcpStream::connect(address).await.unwrap();
        known.write_all(ASK).await.unwrap();
        assert!(answer(&mut known).await.starts_with("HTTP/1.1 404 "));

        closing.cancel();
        for client in [&mut silent, &mut known] {
            client.write_all(ASK).await.unwrap();
        }
        for client in [&mut silent, &mut known] {
            assert!(answer(client).await.starts_with("HTTP/1.1 404 "));
            assert_eq!(answer(client).await, "");
        }
        tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    }

    /// Who is asked for nothing more, but has much to read.
    #[tokio::test]
    async fn a_connection_that_became_something_else_waits_for_its_reader() {
        const MUCH: usize = 16 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        bound(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(async |mut request: axum::extract::Request| {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                stream.write_all(&vec![0; MUCH]).await
            });
            (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "much")])
        });
        tokio::spawn(serve(listener, router, CancellationToken::new()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let ask = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: much\r\n\r\n";
        client.write_all(ask).await.unwrap();
        let mut all = vec![];
        while !all.contains(&0) {
            assert_ne!(client.read_buf(&mut all).await.unwrap(), 0, "{all:?}");
        }
        tokio::time::pause();
        // Passes once there is nothing else to do.
        sleep(2 * WRITE_PATIENCE).await;
        tokio::time::resume();
        let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.unwrap();
        read.unwrap();
        assert!(all.len() > MUCH, "{}", all.len());
    }

    #[tokio::test]
    async fn who_is_gone_for_a_minute_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        bound(&listener).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = accept(&listener, &Arc::new(Semaphore::new(1))).await;
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let (idle, pause) =
            (sockopt::tcp_keepidle(&stream).unwrap(), sockopt::tcp_keepintvl(&stream).unwrap());
        let whole = idle + pause * sockopt::tcp_keepcnt(&stream).unwrap();
        let unheard = sockopt::tcp_user_timeout(&stream).unwrap();
        let minute = Duration::from_secs(60);
        assert!(whole < minute && u128::from(unheard) < minute.as_millis());
    }

    /// Also when a connection has become something else.
    #[tokio::test]
    async fn a_slot_is_given_back_with_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let slots = Arc::new(Semaphore::new(1));
        let (stream, slot) = accept(&listener, &slots).await;
        let stream = Patient::new(stream, WRITE_PATIENCE, Upgraded::default(), slot);
        assert_eq!(slots.available_permits(), 0);
        drop(stream);
        assert_eq!(slots.available_permits(), 1);
    }
}
