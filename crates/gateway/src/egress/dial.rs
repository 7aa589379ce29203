//! From a host's name to a connection. Names are resolved once, outside of the sandbox; every
//! address is judged after that, and only a judged one is connected to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::policy::EgressPolicy;

/// How long finding a host and connecting to it may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an address is tried alone before the next one is tried too; RFC 8305, 8.
const HEAD_START: Duration = Duration::from_millis(250);

/// The most addresses of one host that are tried.
const MAX_ADDRESSES: usize = 6;

/// How many names are looked up at once, for all jobs; each keeps a thread, of Tokio's 512.
const MAX_LOOKUPS: usize = 256;
static LOOKUPS: Semaphore = Semaphore::const_new(MAX_LOOKUPS);

/// When half of them are taken, a lookup weighs so much of the job's share.
const CROWDED_WEIGHT: u32 = 4;

/// How long a host may be silent until it is asked whether it is still there, how often it is
/// asked, and how many answers may be missing.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// 403 refused, 502 not found or not reached, 503 too many, 504 too slow.
    pub(super) status: StatusCode,
    /// For people.
    pub(super) why: String,
}

impl Failure {
    pub(super) fn refused(why: String) -> Self {
        Self { status: StatusCode::FORBIDDEN, why }
    }

    pub(super) fn unavailable(why: &str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, why: why.into() }
    }

    fn unreachable(host: &str, what: &str, source: &io::Error) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, why: format!("{what} {host}: {source}") }
    }
}

/// Connects to a host by name or address. `lookups` is the job's share of the lookups.
pub(super) async fn dial(
    policy: &EgressPolicy,
    lookups: &Arc<Semaphore>,
    (host, port): (&str, u16),
) -> Result<TcpStream, Failure> {
    policy.check_host(host).map_err(Failure::refused)?;
    let dialing = async {
        let found = resolve(lookups, host, port)
            .await
            .map_err(|e| Failure::unreachable(host, "could not find", &e))?;
        let judged = judge(policy, host, found, is_our_own).map_err(Failure::refused)?;
        connect(judged).await.map_err(|e| Failure::unreachable(host, "could not connect to", &e))
    };
    timeout(PATIENCE, dialing).await.unwrap_or_else(|_| {
        let why = format!("{host} did not answer within {} s", PATIENCE.as_secs());
        Err(Failure { status: StatusCode::GATEWAY_TIMEOUT, why })
    })
}

/// Asks the system, which has a thread wait for the answer, also when nobody waits for it any more.
async fn resolve(lookups: &Arc<Semaphore>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let is_crowded = LOOKUPS.available_permits() < MAX_LOOKUPS / 2;
    let weight = if is_crowded { CROWDED_WEIGHT } else { 1 };
    let own = lookups.clone().acquire_many_owned(weight).await.map_err(io::Error::other)?;
    let shared = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let work = move || {
        let _until_done = (own, shared);
        Ok((host.as_str(), port).to_socket_addrs()?.collect())
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Those that the job may reach, in the order in which to try them.
fn judge(
    policy: &EgressPolicy,
    host: &str,
    found: Vec<SocketAddr>,
    is_our_own: impl Fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, String> {
    let may = |to: &SocketAddr| {
        policy.allows(to.ip()) && (!is_our_own(to.ip()) || policy.allows_our_own(*to))
    };
    let judged: Vec<_> = found.into_iter().filter(may).collect();
    if judged.is_empty() {
        // Which address it is, is nobody's business inside.
        return Err(format!(
            "{host} is not on the public internet; only the operator can allow it, by listing its \
             address"
        ));
    }
    Ok(alternate(judged))
}

/// The two kinds of addresses in turns, beginning with the one that the system put first.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut all: Vec<_> =
        first.into_iter().flat_map(|one| [Some(one), second.next()]).flatten().collect();
    all.extend(second);
    all.truncate(MAX_ADDRESSES);
    all
}

/// Whether it is an address of this machine. What is sent there passes no firewall outside of it.
fn is_our_own(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // From documentation, so nobody's.
    let (any, nobodys): (IpAddr, IpAddr) = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        }
    };
    let can_bind = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    // Where `ip_nonlocal_bind` is set any address can be bound, and the other way must do: connecting
    // a UDP socket sends nothing, and the system says which address it would send from.
    let sender = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    address.is_loopback()
        || address.is_unspecified()
        || (can_bind(address) && !can_bind(nobodys))
        || sender().is_ok_and(|sender| sender.ip() == address)
}

/// The first connection that is made. An address is tried when the one before it failed, or has had
/// its [`HEAD_START`].
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tries = FuturesUnordered::new();
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    loop {
        tries.extend(waiting.next().map(TcpStream::connect));
        tokio::select! {
            done = tries.next() => match done {
                Some(Ok(stream)) => {
                    // The job's programs decide what goes together.
                    stream.set_nodelay(true)?;
                    keep_alive(&stream)?;
                    return Ok(stream);
                }
                Some(Err(error)) => failed = error,
                None => return Err(failed),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

/// Has the system ask a silent host whether it is still there; one that vanished ends the connection.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, count) = KEEP_ALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    Ok(sockopt::set_tcp_keepcnt(stream, count)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Network;

    fn open() -> EgressPolicy {
        EgressPolicy { network: Network::Open, ..EgressPolicy::default() }
    }

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn only_public_ones_of_the_addresses_found_are_tried() {
        let found = addresses(&["10.0.0.1:80", "1.1.1.1:80", "[::1]:80", "169.254.169.254:80"]);
        let judged = judge(&open(), "a", found, |_| false).unwrap();
        assert_eq!(judged, addresses(&["1.1.1.1:80"]));
        let why = judge(&open(), "a.org", addresses(&["127.0.0.1:80"]), |_| false).unwrap_err();
        assert!(why.contains("a.org") && !why.contains("127"), "{why}");
    }

    #[test]
    fn our_own_address_is_refused_unless_listed() {
        let found = addresses(&["1.1.1.1:80"]);
        assert!(judge(&open(), "a", found.clone(), |_| true).is_err());
        let listed = EgressPolicy { allow: ["1.1.1.1/32".parse().unwrap()].into(), ..open() };
        assert_eq!(judge(&listed, "a", found.clone(), |_| true), Ok(found.clone()));
        let around = EgressPolicy { allow: ["1.1.1.0/24".parse().unwrap()].into(), ..open() };
        assert!(judge(&around, "a", found.clone(), |_| true).is_err());
        assert_eq!(judge(&around, "a", found.clone(), |_| false), Ok(found.clone()));
        let own_ports = EgressPolicy { own_ports: [80].into(), ..listed };
        assert!(judge(&own_ports, "a", found.clone(), |_| true).is_err());
        assert_eq!(judge(&own_ports, "a", found.clone(), |_| false), Ok(found));
    }

    #[test]
    fn every_address_of_this_machine_is_our_own() {
        // From 127.0.0.2 nothing is sent unless asked for, as from any second address.
        for own in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.2"] {
            assert!(is_our_own(own.parse().unwrap()), "{own}");
        }
        for other in ["192.0.2.1", "1.1.1.1", "2001:db8::1", "2606:4700:4700::1111"] {
            assert!(!is_our_own(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn the_kinds_of_addresses_take_turns() {
        let found = addresses(&["[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1", "1.1.1.1:1"]);
        let expected = addresses(&["[2a00::1]:1", "1.1.1.1:1", "[2a00::2]:1", "[2a00::3]:1"]);
        assert_eq!(alternate(found), expected);
        let more = addresses(&["1.1.1.1:1", "[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1"]);
        assert_eq!(alternate(more.clone()), more);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_fails() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = server.local_addr().unwrap();
        let stream = connect(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let error = connect(vec![closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
