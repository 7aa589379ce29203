//! The sandbox's way out, on its loopback: an HTTP proxy and a SOCKS5 proxy. Every connection they
//! are asked for becomes a tunnel through the gateway, which decides and counts.
//!
//! Not here: what may be reached (the orchestrator's crate `gateway`).

mod http;
mod socks;
mod variables;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::Tunnels;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

pub(crate) use variables::variables;

/// The HTTP proxy, where such proxies usually are.
pub(crate) const HTTP: SocketAddr = loopback(3128);

/// The SOCKS5 proxy, where such proxies usually are.
const SOCKS: SocketAddr = loopback(1080);

/// The most clients at once; the gateway opens half as many tunnels.
const MAX_CLIENTS: u64 = 512;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one for whom there is no room may take to hear it. A few can at once; others are only
/// closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The pause after a failed accept: there are no descriptors left, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What serving one client needs. It counts as long as a clone of this exists.
#[derive(Clone, Debug)]
struct Client {
    tunnels: Tunnels,
    _room: Arc<OwnedSemaphorePermit>,
}

/// Begins to listen.
///
/// # Errors
/// If somebody else listens there.
pub(crate) async fn open(tunnels: Tunnels) -> io::Result<()> {
    let (http, socks) = (TcpListener::bind(HTTP).await?, TcpListener::bind(SOCKS).await?);
    let room = Arc::new(Semaphore::new(room()));
    tokio::spawn(serve(http, tunnels.clone(), room.clone(), http::talk, http::FULL));
    tokio::spawn(serve(socks, tunnels, room, socks::talk, socks::FULL));
    Ok(())
}

/// A client takes two descriptors; half of all are left for everything else.
fn room() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((descriptors / 4).min(MAX_CLIENTS)).unwrap_or(1)
}

async fn serve<T: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    tunnels: Tunnels,
    room: Arc<Semaphore>,
    talk: fn(TcpStream, Client) -> T,
    full: &'static [u8],
) {
    let lobby = Arc::new(Semaphore::new(room.available_permits() / 8));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(room) = room.clone().try_acquire_owned() {
                    let client = Client { tunnels: tunnels.clone(), _room: Arc::new(room) };
                    tokio::spawn(talk(stream, client));
                } else if let Ok(place) = lobby.clone().try_acquire_owned() {
                    tokio::spawn(turn_away(stream, full, place));
                }
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Says that there is no room, and lets the client have its say: a connection that is closed before
/// that breaks, and the answer with it.
async fn turn_away(mut stream: TcpStream, full: &[u8], _place: OwnedSemaphorePermit) {
    let goodbye = async {
        stream.write_all(full).await?;
        stream.shutdown().await?;
        copy(&mut stream, &mut sink()).await
    };
    drop(timeout(FAREWELL, goodbye).await);
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
