//! `cagent serve`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::anyhow;
use tokio::net::TcpListener;

use crate::output;
use crate::server::{Purpose, Server};
use crate::settings::Settings;
use crate::signals::Signals;

pub(super) async fn serve(settings: &Settings) -> anyhow::Result<ExitCode> {
    // The signals first: who reads that we are ready may send one at once.
    let mut signals = Signals::listen()?;
    let listener = bind(settings.listen).await?;
    let server = Server::start(settings, listener, Purpose::Serve).await?;
    output::line(&format!("cagent listens on http://{}", server.address()))?;
    signals.recv().await;
    if settings.drain {
        tokio::select! {
            () = server.drain() => {}
            _ = signals.recv() => {}
        }
    }
    tracing::info!("stops; jobs that run go on and are found again by the next start");
    server.stop(signals.recv()).await;
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
