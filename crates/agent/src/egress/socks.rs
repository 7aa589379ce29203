//! The SOCKS5 proxy (RFC 1928): connections only, without a password, names resolved outside.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::http::uri::Authority;
use protocol::{TunnelError, relay};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Client, PATIENCE};

const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// The replies that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Done = 0,
    Failed = 1,
    NotAllowed = 2,
    Unreachable = 4,
    TooSlow = 6,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

/// For those who find no room: greeted without having been heard, and refused.
pub(super) const FULL: &[u8] =
    &[VERSION, NO_PASSWORD, VERSION, Reply::Failed as u8, 0, ADDRESS_V4, 0, 0, 0, 0, 0, 0];

/// Serves one client.
pub(super) async fn talk(mut stream: TcpStream, client: Client) {
    let Ok(Ok(asked)) = timeout(PATIENCE, hear(&mut stream)).await else { return };
    let opened = match asked {
        Ok(to) => client.tunnels.open(&to).await.map_err(|error| reply(&error)),
        Err(reply) => Err(reply),
    };
    let code = opened.as_ref().err().copied().unwrap_or(Reply::Done);
    // The address we are seen with is nobody's business.
    let answer = [VERSION, code as u8, 0, ADDRESS_V4, 0, 0, 0, 0, 0, 0];
    if stream.write_all(&answer).await.is_ok()
        && let Ok(tunnel) = opened
    {
        relay(stream, tunnel).await;
    }
}

/// Greets and hears what the client wants; an error is no SOCKS5, and deserves no answer.
async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
) -> io::Result<Result<Authority, Reply>> {
    greet(stream).await?;
    let [version, command, _, kind] = read(stream).await?;
    expect_version(version)?;
    let host = match kind {
        ADDRESS_V4 => Ipv4Addr::from(read::<4>(stream).await?).to_string(),
        ADDRESS_V6 => format!("[{}]", Ipv6Addr::from(read::<16>(stream).await?)),
        ADDRESS_NAME => read_name(stream).await?,
        _ => return Ok(Err(Reply::UnknownAddress)),
    };
    let port = stream.read_u16().await?;
    if command != CONNECT {
        return Ok(Err(Reply::UnknownCommand));
    }
    Ok(format!("{host}:{port}").parse().map_err(|_| Reply::Failed))
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    let [version, methods] = read(stream).await?;
    expect_version(version)?;
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).await?;
    if offered.contains(&NO_PASSWORD) {
        return stream.write_all(&[VERSION, NO_PASSWORD]).await;
    }
    stream.write_all(&[VERSION, NO_METHOD]).await?;
    Err(io::ErrorKind::Unsupported.into())
}

fn expect_version(version: u8) -> io::Result<()> {
    if version == VERSION { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_name(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut name = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut name).await?;
    // What is not text is no host either.
    Ok(String::from_utf8_lossy(&name).into_owned())
}

fn reply(error: &TunnelError) -> Reply {
    match error {
        TunnelError::Refused { status, .. } => match status.as_u16() {
            403 => Reply::NotAllowed,
            502 => Reply::Unreachable,
            504 => Reply::TooSlow,
            _ => Reply::Failed,
        },
        TunnelError::Broken(_) => Reply::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is heard of these bytes, and what was answered.
    async fn hear_all(bytes: &[u8]) -> (io::Result<Result<Authority, Reply>>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(4096);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let heard = hear(&mut near).await;
        drop(near);
        let mut answered = Vec::new();
        far.read_to_end(&mut answered).await.unwrap();
        (heard, answered)
    }

    #[tokio::test]
    async fn hosts_come_in_three_forms() {
        for (address, expected) in [
            (&[1, 1, 2, 3, 4][..], "1.2.3.4:258"),
            (b"\x03\x05a.org", "a.org:258"),
            (&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "[::1]:258"),
        ] {
            let bytes = [&[5, 2, 2, 0, 5, 1, 0], address, &[1, 2]].concat();
            let (heard, answered) = hear_all(&bytes).await;
            assert_eq!(heard.unwrap().unwrap().as_str(), expected);
            assert_eq!(answered, [5, 0]);
        }
    }

    #[tokio::test]
    async fn what_is_not_offered_is_refused() {
        let (heard, answered) = hear_all(&[5, 1, 2]).await;
        assert!(heard.is_err());
        assert_eq!(answered, [5, 0xff]);
        let bind = [5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80];
        assert_eq!(hear_all(&bind).await.0.unwrap(), Err(Reply::UnknownCommand));
        let kind = [5, 1, 0, 5, 1, 0, 9];
        assert_eq!(hear_all(&kind).await.0.unwrap(), Err(Reply::UnknownAddress));
        let name = b"\x05\x01\x00\x05\x01\x00\x03\x05a\r\n b\x00\x50";
        assert_eq!(hear_all(name).await.0.unwrap(), Err(Reply::Failed));
        assert!(hear_all(b"GET / HTTP/1.1\r\n\r\n").await.0.is_err());
    }

    proptest! {
        #[test]
        fn survives_anything(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            if let (Ok(Ok(to)), _) = runtime.block_on(hear_all(&bytes)) {
                prop_assert!(!to.as_str().contains(|c: char| c.is_whitespace() || c.is_control()));
            }
        }
    }
}
