//! Clients that read, but a byte a second: they cost bounded memory, and others read at full speed.

use std::time::{Duration, Instant};

use testkit::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use types::{Event, EventKind, Stream};

use crate::support::server;

const LOG_BYTES: usize = 16_000_000;

/// How many read slowly, of each kind.
const SLOW: usize = 8;

/// The memory that all of them may cost; what they asked for is 16 MB for each.
const MOST_BYTES: u64 = 32 << 20;

/// How long everything may take that others ask for: a loaded machine and a debug build, but nobody
/// waits for who reads for years.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn who_reads_a_byte_a_second_costs_little_and_holds_nobody_up() {
    let server = server().await;
    let code = format!("yes 0123456789 | head -c {LOG_BYTES}; echo >&2; sleep 1000");
    let job = server.client().run(&format!("```sh\n{code}\n```\n")).await;
    let all_written = |event: &Event| matches!(&event.event, EventKind::Output { stream, .. } if *stream == Stream::Stderr);
    server.client().events_until(job, all_written).await;
    let all_read = async || {
        server.client().events_until(job, all_written).await;
        assert_eq!(server.client().log(job, Stream::Stdout).await.len(), LOG_BYTES);
    };
    all_read().await;
    let before = peak(&server);

    let paths = [format!("/v1/jobs/{job}/events"), format!("/logs/{job}/stdout")];
    let mut slow = JoinSet::new();
    for path in paths.iter().cycle().take(2 * SLOW) {
        slow.spawn(drip(&server, path).await);
    }
    for _ in 0..3 {
        let begun = Instant::now();
        all_read().await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    let growth = peak(&server).saturating_sub(before);
    assert!(growth <= MOST_BYTES, "it grew by {growth} bytes");
}

/// Asks for something and takes a byte of it a second.
async fn drip(server: &Server, path: &str) -> impl Future<Output = ()> + use<> {
    let host = server.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    async move {
        while stream.read_u8().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// The most memory that the server ever had, in bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
