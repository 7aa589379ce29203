//! A client that costs little, so that on the same cores the server is what is measured: one
//! thread, plain sockets, ready-made requests, answers read only as far as their length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any answer that is asked for.
const BUFFER: usize = 16 * 1024;

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Answers per second, of all connections together.
    pub(crate) rate: f64,
    /// How long each answer took, in milliseconds.
    pub(crate) latencies: Vec<f64>,
}

/// Sends these GETs round and round on so many keep-alive connections for so long, with a key if
/// there is one. Blocks.
///
/// # Errors
/// When an answer is not a 200 with a `Content-Length`.
pub(crate) fn load(
    address: SocketAddr,
    paths: &[String],
    key: Option<&str>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Load> {
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request =
        |path: &String| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{key}\r\n").into();
    let requests: Arc<[Vec<u8>]> = paths.iter().map(request).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let begun = Instant::now();
        let client = |n| tokio::spawn(client(address, requests.clone(), n, begun + time));
        // Each begins elsewhere in the list.
        let clients: Vec<_> =
            (0..connections).map(|n| client(n * paths.len() / connections)).collect();
        let mut latencies = vec![];
        for client in clients {
            latencies.extend(client.await??);
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of some seconds")]
        let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
        Ok(Load { rate, latencies })
    })
}

async fn client(
    address: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    first: usize,
    end: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    let mut latencies = vec![];
    for request in requests.iter().cycle().skip(first) {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        stream.write_all(request).await?;
        answer(&mut stream, &mut buffer).await?;
        latencies.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

/// Reads one whole answer.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server hung up, or the answer is longer than {BUFFER} bytes");
        filled += read;
        match whole(&buffer[..filled])? {
            Some(length) if length == filled => return Ok(()),
            Some(length) if length < filled => bail!("more than one answer"),
            _ => {}
        }
    }
}

/// How long the answer is that begins here, once its head is there.
fn whole(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = || String::from_utf8_lossy(bytes).into_owned();
    ensure!(bytes.starts_with(b"HTTP/1.1 200 "), "not a 200: {}", text());
    let name = b"\r\ncontent-length: ";
    let at = find(&bytes[..head], name).with_context(|| format!("no length: {}", text()))?;
    let digits = bytes[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(Some(head + 4 + body))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\nx: y\r\n\r\n123456789012";
        assert_eq!(whole(answer).unwrap(), Some(answer.len()));
        assert_eq!(whole(&answer[..20]).unwrap(), None);
        assert!(whole(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
