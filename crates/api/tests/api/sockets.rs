//! What only shows on real connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use types::{EventKind, JobId};

use crate::support::{FLOOD, HELLO, Server};

/// Far above what anything here may take; reaching it means that something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

const BUFFER_BYTES: u32 = 64 * 1024;

/// Listens with small buffers, so that a client that does not read stops the server soon.
pub(crate) async fn listen(router: Router) -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(BUFFER_BYTES).unwrap();
    socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

pub(crate) async fn connect(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The same, for somebody who does not read.
async fn connect_narrow(address: SocketAddr, head: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The first line of the answer.
async fn status(stream: TcpStream) -> String {
    let mut line = String::new();
    let read = async { BufReader::new(stream).read_line(&mut line).await };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer").unwrap();
    line
}

#[tokio::test]
async fn a_huge_head_is_refused_and_the_server_lives_on() {
    let server = Server::new().await;
    let address = listen(server.router.clone()).await;
    let mut stream = connect(address, "GET /jobs HTTP/1.1\r\nHost: localhost\r\n").await;
    // It may be closed on us before all is sent.
    let huge = format!("X: {}\r\n\r\n", "x".repeat(8 << 20));
    drop(stream.write_all(huge.as_bytes()).await);
    let mut answer = Vec::new();
    drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end"));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let many = format!("GET /jobs HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert!(status(connect(address, &many).await).await.starts_with("HTTP/1.1 431 "));

    let good = "GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(status(connect(address, good).await).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing() {
    let server = Server::new().await;
    let address = listen(server.router.clone()).await;
    let body = json!({ "prompt": HELLO }).to_string();
    let head = format!(
        "POST /schedule HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    drop(connect(address, &format!("{head}{}", &body[..9])).await);
    let whole = connect(address, &format!("{head}{body}")).await;
    assert!(status(whole).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(server.jobs.list(&jobs::ListRequest::default()).await.unwrap().jobs.len(), 1);
}

/// Who reads gets all events to the end, though as many others took a stream and never read it;
/// and what those did not read is not kept in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_five_hundred_followers_stall() {
    allow_files(2048);
    let server = Server::new().await;
    let address = listen(server.router.clone()).await;
    let job = server.schedule(FLOOD).await;
    let before = resident_bytes();
    let head = format!("GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (mut stalled, mut readers) = (Vec::new(), JoinSet::new());
    for _ in 0..250 {
        stalled.push(connect_narrow(address, &head).await);
        let reading = connect(address, &head).await;
        readers.spawn(async move { last_seq(reading).await });
    }
    server.until(job, |event| matches!(event, EventKind::Ended { .. })).await;
    let last = last_of(&server, job).await;
    let all = tokio::time::timeout(PATIENCE, readers.join_all()).await.expect("all are served");
    assert!(all.iter().all(|seq| *seq == last), "{last}: {all:?}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{} MiB for 500 followers", grown >> 20);
    // Whoever reads again missed nothing.
    let late = last_seq(stalled.remove(0));
    assert_eq!(tokio::time::timeout(PATIENCE, late).await.expect("it is served"), last);
}

async fn last_of(server: &Server, job: JobId) -> u64 {
    server.jobs.get(job).await.unwrap().last_seq
}

/// Reads a stream of events to its end.
async fn last_seq(stream: TcpStream) -> u64 {
    let mut lines = BufReader::new(stream).lines();
    let (mut last, mut ended) = (0, false);
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(id) = line.strip_prefix("id: ") {
            last = id.parse().unwrap();
        }
        ended |= line == "event: ended";
        // The chunk that ends the body.
        if ended && line == "0" {
            break;
        }
    }
    assert!(ended);
    last
}

/// Raises the soft limit of open files, as a server does that serves so many.
fn allow_files(count: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < count) {
        limit.current = Some(count);
        setrlimit(Resource::Nofile, limit).expect("this test needs 2048 open files (ulimit -Hn)");
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
