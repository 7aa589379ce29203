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
use tokio::io::{AsyncRead, AsyncWrite, BufReader, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

pub(crate) use variables::variables;

/// The HTTP proxy, where such proxies usually are.
pub(crate) const HTTP: SocketAddr = loopback(3128);

/// The SOCKS5 proxy, where such proxies usually are.
const SOCKS: SocketAddr = loopback(1080);

/// The most clients at once; the gateway opens half as many tunnels.
const MAX_CLIENTS: u64 = 512;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// Per direction of a connection, as in the gateway.
const BUFFER_BYTES: usize = 16 * 1024;

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
    tokio::spawn(serve(http, tunnels.clone(), room.clone(), http::talk));
    tokio::spawn(serve(socks, tunnels, room, socks::talk));
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
) {
    loop {
        match listener.accept().await {
            // Where there is no room it is closed.
            Ok((stream, _)) => {
                if let Ok(room) = room.clone().try_acquire_owned() {
                    let client = Client { tunnels: tunnels.clone(), _room: Arc::new(room) };
                    tokio::spawn(talk(stream, client));
                }
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Copies until both sides have ended, or one breaks. A side that ends what it says still hears the
/// other one.
async fn carry<C: AsyncRead + AsyncWrite + Unpin>(
    mut client: C,
    mut tunnel: BufReader<UnixStream>,
) {
    // How it ends is between those two.
    let _ =
        copy_bidirectional_with_sizes(&mut client, &mut tunnel, BUFFER_BYTES, BUFFER_BYTES).await;
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
