//! `cagent serve`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;
use crate::server::{Purpose, Server};
use crate::settings::Settings;

pub(super) async fn serve(settings: &Settings) -> anyhow::Result<ExitCode> {
    // The signals first: who reads that we are ready may send one at once.
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let listener = bind(settings.listen).await?;
    let server = Server::start(settings, listener, Purpose::Serve).await?;
    output::line(&format!("cagent listens on http://{}", server.address()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stops; jobs that run go on and are found again by the next start");
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "{address} is in use by another program; stop it, or choose another address with \
             --listen (port 0 picks a free one)"
        ),
        _ => anyhow!("listen on {address}: {e}"),
    })
}
