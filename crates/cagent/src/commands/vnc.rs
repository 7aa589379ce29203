//! `cagent vnc`: a port of this machine for VNC programs, each connection of which is carried to a
//! job's desktop by the server.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use types::JobId;

use crate::args::VncArgs;
use crate::client::Client;
use crate::place::Place;
use crate::signals::{Signals, exit_code};
use crate::{complaint, output};

/// The port of VNC's first display.
const USUAL_PORT: u16 = 5900;

/// What every RFB server of today says first, and a viewer after it in as many bytes (RFC 6143,
/// 7.1.1).
const VERSION: &[u8; 12] = b"RFB 003.008\n";

/// How long either of them may take to say it.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn vnc(place: Place, args: &VncArgs) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let job = args.job.id(place.client()).await?;
    let mut signals = Signals::listen()?;
    // What is wrong shows here, rather than in a VNC program, which would not say it.
    drop(place.client().rfb(job, "watch").await?);
    let listener = listen(args.port).await?;
    let address = listener.local_addr().context("ask for our own address")?;
    output::line(&format!("the desktop of job {job} is at {address}, until Ctrl-C"))?;
    let view = if args.watch { "watch" } else { "control" };
    let kind = tokio::select! {
        failed = serve(&listener, place.client(), job, view) => return failed,
        kind = signals.recv() => kind,
    };
    place.close().await;
    Ok(ExitCode::from(exit_code(kind)))
}

/// The usual port, or another one if that is taken; the one that was asked for, or none.
async fn listen(wanted: Option<u16>) -> anyhow::Result<TcpListener> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let port = wanted.unwrap_or(USUAL_PORT);
    let bound = match at(port).await {
        Err(e) if e.kind() == ErrorKind::AddrInUse && wanted.is_none() => at(0).await,
        bound => bound,
    };
    bound.with_context(|| format!("listen on port {port} of 127.0.0.1"))
}

async fn serve(
    listener: &TcpListener,
    client: &Client,
    job: JobId,
    view: &'static str,
) -> anyhow::Result<ExitCode> {
    let mut viewers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (viewer, _) = accepted.context("take a connection")?;
                let client = client.clone();
                viewers.spawn(async move { carry(viewer, &client, job, view).await });
            }
            Some(carried) = viewers.join_next() => {
                if let Ok(Err(error)) = carried {
                    complaint::say(&complaint::of(&error));
                }
            }
        }
    }
}

async fn carry(
    mut viewer: TcpStream,
    client: &Client,
    job: JobId,
    view: &str,
) -> anyhow::Result<()> {
    viewer.set_nodelay(true).context("set up a connection")?;
    // Any page may connect to a port of this machine; nobody shall lose the mouse by that.
    let Some(version) = greet(&mut viewer).await else { return Ok(()) };
    let mut desktop = client.rfb(job, view).await?;
    introduce(&mut desktop, version).await.context("greet the desktop")?;
    // Either of them may go away when it likes.
    drop(copy_bidirectional(&mut viewer, &mut desktop).await);
    Ok(())
}

/// What a viewer says to our greeting; none if it is no viewer.
async fn greet(viewer: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<[u8; 12]> {
    let mut said = [0; 12];
    let greeted = async {
        viewer.write_all(VERSION).await?;
        viewer.read_exact(&mut said).await
    };
    timeout(GREETING_PATIENCE, greeted).await.ok()?.ok()?;
    said.starts_with(b"RFB 00").then_some(said)
}

/// Says it to the desktop, whose own greeting the viewer has had from us.
async fn introduce(
    desktop: &mut (impl AsyncRead + AsyncWrite + Unpin),
    version: [u8; 12],
) -> anyhow::Result<()> {
    let mut said = [0; 12];
    timeout(GREETING_PATIENCE, desktop.read_exact(&mut said)).await??;
    ensure!(said == *VERSION, "it speaks another protocol");
    desktop.write_all(&version).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn only_a_viewer_is_carried_to_the_desktop() {
        for (says, is_one) in [
            (&b"RFB 003.008\n"[..], true),
            (b"RFB 003.003\nmore", true),
            (b"GET / HTTP/1.1\r\nHost: localhost:5900\r\n\r\n", false),
            (b"RFB", false),
        ] {
            let (mut viewer, mut ours) = duplex(1024);
            viewer.write_all(says).await.unwrap();
            viewer.shutdown().await.unwrap();
            let heard = greet(&mut ours).await;
            assert_eq!(heard.as_ref().map(|said| &said[..]), is_one.then(|| &says[..12]));
            let mut greeting = [0; 12];
            viewer.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting, *VERSION);
        }
    }

    #[tokio::test]
    async fn the_desktop_is_told_once_and_its_greeting_is_kept_from_the_viewer() {
        let (mut desktop, mut ours) = duplex(1024);
        desktop.write_all(b"RFB 003.008\n\x01\x01").await.unwrap();
        introduce(&mut ours, *b"RFB 003.007\n").await.unwrap();
        assert_eq!(ours.read_u16().await.unwrap(), 0x0101);
        let mut told = [0; 12];
        desktop.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"RFB 003.007\n");
        desktop.write_all(b"SSH-2.0-hello\n").await.unwrap();
        assert!(introduce(&mut ours, *VERSION).await.is_err());
    }
}
