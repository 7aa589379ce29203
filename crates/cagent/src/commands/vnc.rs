//! `cagent vnc`: a port of this machine for VNC programs, each connection of which is carried to a
//! job's desktop by the server.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use types::JobId;

use crate::args::VncArgs;
use crate::client::Client;
use crate::place::Place;
use crate::signals::{Signals, exit_code};
use crate::{complaint, output};

/// The port of VNC's first display.
const USUAL_PORT: u16 = 5900;

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
    let mut desktop = client.rfb(job, view).await?;
    // Either of them may go away when it likes.
    drop(copy_bidirectional(&mut viewer, &mut desktop).await);
    Ok(())
}
