use std::io;
use std::time::Duration;

use protocol::{TunnelError, tunnel};
use tokio::io::{AsyncWriteExt, copy, split, stdin, stdout};
use tokio::net::TcpStream;

use crate::egress::HTTP;

#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0:?} is no host and port")]
    Target(String),
    #[error("no proxy at {HTTP}: {0}; this works inside of a sandbox only")]
    NoProxy(#[source] io::Error),
    #[error("connect to {host}: {source}")]
    Tunnel { host: String, source: TunnelError },
    #[error("copy: {0}")]
    Copy(#[from] io::Error),
}

/// Connects to a host through the sandbox's proxy: what is read goes there, what comes is written.
/// For programs that can have their connection made by another one, such as ssh.
pub(super) fn connect(host: &str, port: &str) -> Result<(), ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(carry(host, port));
    // A read of standard input cannot be called off.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn carry(host: &str, port: &str) -> Result<(), ConnectError> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let target = format!("{host}:{port}");
    let to = target.parse().map_err(|_| ConnectError::Target(target))?;
    let stream = TcpStream::connect(HTTP).await.map_err(ConnectError::NoProxy)?;
    let opened = tunnel(stream, &to, None).await;
    let (mut from, mut to) = split(opened.map_err(|source| ConnectError::Tunnel { host, source })?);
    let send = async {
        copy(&mut stdin(), &mut to).await?;
        to.shutdown().await?;
        // Whatever is still to come, comes.
        std::future::pending::<io::Result<()>>().await
    };
    let mut stdout = stdout();
    let receive = async {
        copy(&mut from, &mut stdout).await?;
        stdout.flush().await
    };
    tokio::select! {
        result = receive => Ok(result?),
        result = send => Ok(result?),
    }
}
