//! Ways out, to real servers on this machine's loopback, which the operator listed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use gateway::{EgressPolicy, KeyState};
use protocol::{Client, Control, TunnelError, Tunnels};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;
use types::{Egress, EgressVerdict, Network};

use crate::support::{PATIENCE, Setup};

pub(crate) const LOOPBACK: [&str; 2] = ["127.0.0.1/32", "::1/128"];

fn network(json: &str) -> Network {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn policy(json: &str, allow: &[&str]) -> EgressPolicy {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    EgressPolicy { network: network(json), allow, ..EgressPolicy::default() }
}

/// A gateway and an agent that has its key.
pub(crate) struct Way {
    setup: Setup,
    agent: Client,
    tunnels: Tunnels,
}

impl Way {
    pub(crate) async fn with(policy: EgressPolicy) -> Self {
        let setup = Setup::with(policy);
        let mut agent = setup.client();
        agent.hello("1").await.unwrap();
        agent.report(&[]).await.unwrap();
        let tunnels = agent.tunnels();
        Self { setup, agent, tunnels }
    }

    async fn open() -> Self {
        Self::with(policy(r#""open""#, &LOOPBACK)).await
    }

    pub(crate) async fn connect(&self, to: &str) -> Result<BufReader<UnixStream>, TunnelError> {
        timeout(PATIENCE, self.tunnels.open(&to.parse().unwrap())).await.unwrap()
    }

    /// Status and reason of a connection that is not made.
    pub(crate) async fn refused(&self, to: &str) -> (u16, String) {
        match self.connect(to).await {
            Err(TunnelError::Refused { status, why }) => (status.as_u16(), why),
            other => panic!("{to}: {other:?}"),
        }
    }

    /// What the sink was told, as soon as it was told of so many.
    pub(crate) async fn told(&self, count: u64) -> Vec<Egress> {
        let mut connections = self.setup.memory.connections.subscribe();
        let enough = |all: &Vec<Egress>| all.iter().map(|one| one.count).sum::<u64>() >= count;
        timeout(PATIENCE, connections.wait_for(enough)).await.unwrap().unwrap().clone()
    }
}

async fn server() -> (TcpListener, SocketAddr) {
    server_at(Ipv4Addr::LOCALHOST.into()).await
}

async fn server_at(address: IpAddr) -> (TcpListener, SocketAddr) {
    let server = TcpListener::bind((address, 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

/// A server that sends back what it gets, to as many as come.
pub(crate) async fn echo() -> SocketAddr {
    let (server, address) = server().await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = server.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn bytes_go_both_ways_and_are_counted() {
    let way = Way::open().await;
    let (server, address) = server().await;
    let mut job = way.connect(&address.to_string()).await.unwrap();
    let (mut host, _) = server.accept().await.unwrap();
    job.write_all(b"question").await.unwrap();
    // Ends what it says, and still hears.
    job.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut host).await, "question");
    host.write_all(b"the answer").await.unwrap();
    drop(host);
    assert_eq!(read_to_end(&mut job).await, "the answer");
    let [told] = way.told(1).await.try_into().unwrap();
    assert_eq!((told.host.as_str(), told.port), ("127.0.0.1", address.port()));
    assert_eq!((told.sent_bytes, told.received_bytes, told.count), (8, 10, 1));
    assert_eq!((told.verdict, told.why), (EgressVerdict::Allowed, None));
}

#[tokio::test]
async fn a_host_may_end_first() {
    let way = Way::open().await;
    let (server, address) = server().await;
    let mut job = way.connect(&address.to_string()).await.unwrap();
    let (mut host, _) = server.accept().await.unwrap();
    host.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut job).await, "");
    job.write_all(b"still here").await.unwrap();
    job.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut host).await, "still here");
}

#[tokio::test]
async fn ipv6_works() {
    let way = Way::open().await;
    let (server, address) = server_at("::1".parse().unwrap()).await;
    way.connect(&address.to_string()).await.unwrap();
    server.accept().await.unwrap();
    let [told] = way.told(1).await.try_into().unwrap();
    assert_eq!(told.host, "::1");
}

#[tokio::test]
async fn what_cannot_be_found_or_reached_is_told_at_once() {
    let way = Way::open().await;
    let closed = server().await.1;
    let (status, why) = way.refused(&closed.to_string()).await;
    assert_eq!(status, 502);
    assert!(why.contains("refused"), "{why}");
    let (status, why) = way.refused("no-such-host.invalid:80").await;
    assert_eq!(status, 502, "{why}");
    let told = way.told(2).await;
    assert!(told.iter().all(|one| one.verdict == EgressVerdict::Failed), "{told:?}");
}

/// The answer to a head that is written by hand.
async fn raw(setup: &Setup, head: &str) -> String {
    let mut stream = UnixStream::connect(setup.socket()).await.unwrap();
    // A gateway that has heard enough hangs up.
    drop(stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await);
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap());
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn nonsense_is_refused() {
    let key = KeyState::Used(Sha256::digest("k").into());
    let setup = Setup::open(key, policy(r#""open""#, &LOOPBACK));
    let with_key = "Host: x\r\nAuthorization: Bearer k\r\n";
    for bad in ["a.org:0", "a.org:65536", "a.org", "a.org:", "a b:80", "u@a.org:80", "[::1:80", ""]
    {
        let answer = raw(&setup, &format!("CONNECT {bad} HTTP/1.1\r\n{with_key}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bad}: {answer:?}");
    }
    let huge = format!("CONNECT a.org:80 HTTP/1.1\r\nX: {}\r\n{with_key}", "x".repeat(1_000_000));
    let answer = raw(&setup, &huge).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer:?}");
    assert_eq!(*setup.memory.connections.borrow(), []);
}

#[tokio::test]
async fn nobody_gets_out_without_the_key() {
    let key = KeyState::Used(Sha256::digest("k").into());
    let setup = Setup::open(key, policy(r#""open""#, &LOOPBACK));
    let (server, address) = server().await;
    for header in ["", "Authorization: Bearer wrong\r\n"] {
        let head = format!("CONNECT {address} HTTP/1.1\r\nHost: x\r\n{header}");
        let answer = raw(&setup, &head).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer:?}");
    }
    assert!(timeout(Duration::from_millis(50), server.accept()).await.is_err());
}

#[tokio::test]
async fn the_same_refusals_make_few_events() {
    let way = Way::with(policy(r#"["example.org"]"#, &[])).await;
    for _ in 0..1_000 {
        way.refused("example.com:443").await;
    }
    let told = way.told(1_000).await;
    assert!(told.len() <= 20, "{} events", told.len());
    assert_eq!(told.iter().map(|one| one.count).sum::<u64>(), 1_000);
}

#[tokio::test]
async fn a_job_has_256_connections_and_they_keep_nobody_out() {
    let way = Way::open().await;
    let address = echo().await.to_string();
    let opening = (0..256).map(|_| way.connect(&address));
    let mut open: Vec<_> =
        futures_util::future::join_all(opening).await.into_iter().map(Result::unwrap).collect();
    let (status, why) = way.refused(&address).await;
    assert_eq!(status, 503, "{why}");

    let mut controls = timeout(PATIENCE, way.agent.control()).await.unwrap().unwrap();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Ready));
    for stream in &mut open {
        stream.write_all(b"x").await.unwrap();
        assert_eq!(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap(), b'x');
    }
    way.setup.gateway.cancel();
    assert_eq!(controls.next().await.unwrap(), Some(Control::Cancel));

    open.pop();
    // Its end is noticed a moment later.
    let again = async {
        while way.connect(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn closing_ends_and_tells_what_is_open() {
    let way = Way::open().await;
    let address = echo().await.to_string();
    let mut job = way.connect(&address).await.unwrap();
    job.write_all(b"12345").await.unwrap();
    let mut back = [0; 5];
    timeout(PATIENCE, job.read_exact(&mut back)).await.unwrap().unwrap();
    let Way { setup, .. } = way;
    setup.gateway.close().await;
    assert_eq!(read_to_end(&mut job).await, "");
    let told = setup.memory.connections.borrow().clone();
    let [told] = told.try_into().unwrap();
    assert_eq!((told.sent_bytes, told.received_bytes), (5, 5));
    assert_eq!(told.verdict, EgressVerdict::Allowed);
}

#[tokio::test]
async fn closing_at_once_loses_no_event() {
    // How many are on their way when it closes is a matter of chance.
    for _ in 0..30 {
        let way = Way::with(policy(r#"["example.org"]"#, &[])).await;
        for n in 0..40 {
            way.refused(&format!("{n}.example.com:443")).await;
        }
        let Way { setup, .. } = way;
        setup.gateway.close().await;
        let told = setup.memory.connections.borrow().clone();
        assert_eq!(told.iter().map(|one| one.count).sum::<u64>(), 40, "{told:#?}");
    }
}

#[tokio::test]
async fn a_job_that_reads_slowly_loses_nothing() {
    const BYTES: usize = 8 * 1024 * 1024;
    let way = Way::open().await;
    let (server, address) = server().await;
    let mut job = way.connect(&address.to_string()).await.unwrap();
    let (mut host, _): (TcpStream, _) = server.accept().await.unwrap();
    let sending = tokio::spawn(async move { host.write_all(&vec![b'x'; BYTES]).await });
    let (mut received, mut piece) = (0, vec![0; 999]);
    loop {
        match timeout(PATIENCE, job.read(&mut piece)).await.unwrap().unwrap() {
            0 => break,
            read => received += read,
        }
        tokio::task::yield_now().await;
    }
    sending.await.unwrap().unwrap();
    assert_eq!(received, BYTES);
    drop(job);
    assert_eq!(way.told(1).await[0].received_bytes, BYTES as u64);
}
