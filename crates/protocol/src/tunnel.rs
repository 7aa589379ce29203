//! Connections by `CONNECT`, to the gateway or to any other proxy.
//!
//! Written by hand: the request must leave in the same moment in which the connection is made,
//! because the gateway makes those wait least who speak at once.

use std::io;
use std::path::PathBuf;

use hyper::StatusCode;
use hyper::http::uri::Authority;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Take,
};
use tokio::net::UnixStream;

/// The longest head of an answer that is read.
const MAX_HEAD_BYTES: u64 = 8 * 1024;

/// The longest reason of a refusal that is read.
const MAX_WHY_BYTES: u64 = 4 * 1024;

/// What can open connections to hosts, by way of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Tunnels {
    socket: PathBuf,
    key: Option<String>,
}

// The key must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnels").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The proxy said no.
    #[error("{why}")]
    Refused {
        /// 403 not allowed, 502 not found or not reached, 503 too many, 504 too slow.
        status: StatusCode,
        /// For people.
        why: String,
    },
    /// The proxy is not there, or does not speak HTTP.
    #[error("ask the proxy: {0}; it may be starting again, try once more")]
    Broken(#[from] io::Error),
}

impl Tunnels {
    pub(crate) fn new(socket: PathBuf, key: Option<String>) -> Self {
        Self { socket, key }
    }

    /// Opens a connection to a host.
    ///
    /// # Errors
    /// [`TunnelError`]
    pub async fn open(&self, to: &Authority) -> Result<BufReader<UnixStream>, TunnelError> {
        let stream = UnixStream::connect(&self.socket).await?;
        tunnel(stream, to, self.key.as_deref()).await
    }
}

/// Asks the proxy at the other end of `stream` for a connection to a host. What is read and written
/// after that is the host's.
///
/// # Errors
/// [`TunnelError`]
pub async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    to: &Authority,
    key: Option<&str>,
) -> Result<BufReader<S>, TunnelError> {
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{key}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = BufReader::new(stream).take(MAX_HEAD_BYTES);
    let (status, length) = head(&mut answer).await?;
    if status.is_success() {
        return Ok(answer.into_inner());
    }
    answer.set_limit(length.min(MAX_WHY_BYTES));
    let mut why = Vec::new();
    // What there is of it is better than nothing.
    drop(answer.read_to_end(&mut why).await);
    let why = String::from_utf8_lossy(&why).trim().to_owned();
    Err(TunnelError::Refused { status, why })
}

/// Reads up to and with the empty line: the status, and how long the body is.
async fn head<S: AsyncRead + Unpin>(
    answer: &mut Take<BufReader<S>>,
) -> Result<(StatusCode, u64), TunnelError> {
    let first = line(answer).await?;
    let code = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status = code.and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut length = u64::MAX;
    loop {
        match line(answer).await?.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(length);
            }
            Some(_) => {}
            None => return Ok((status, length)),
        }
    }
}

async fn line<S: AsyncRead + Unpin>(answer: &mut Take<BufReader<S>>) -> io::Result<String> {
    let mut line = String::new();
    answer.read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of an answer, and what was asked.
    async fn ask(
        answer: &[u8],
    ) -> (Result<BufReader<tokio::io::DuplexStream>, TunnelError>, String) {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let result = tunnel(near, &"a.org:22".parse().unwrap(), Some("k")).await;
        let mut asked = vec![0; 1024];
        let read = far.read(&mut asked).await.unwrap();
        (result, String::from_utf8_lossy(&asked[..read]).into_owned())
    }

    #[tokio::test]
    async fn a_host_may_speak_first() {
        let (opened, asked) = ask(b"HTTP/1.1 200 OK\r\ndate: x\r\n\r\nSSH-2.0").await;
        assert_eq!(
            asked,
            "CONNECT a.org:22 HTTP/1.1\r\nHost: a.org:22\r\nAuthorization: Bearer k\r\n\r\n"
        );
        let mut said = String::new();
        opened.unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "SSH-2.0");
    }

    #[tokio::test]
    async fn a_refusal_says_why() {
        let (refused, _) =
            ask(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\nnot that one\nHTTP").await;
        let Err(TunnelError::Refused { status, why }) = refused else { panic!("{refused:?}") };
        assert_eq!((status.as_u16(), why.as_str()), (403, "not that one"));
    }

    #[tokio::test]
    async fn nonsense_is_no_connection() {
        let long = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(5_000)].concat();
        for bad in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"hello\r\n\r\n", b"\xff\n\n", &long] {
            let (broken, _) = ask(bad).await;
            assert!(matches!(broken, Err(TunnelError::Broken(_))), "{broken:?}");
        }
    }
}
