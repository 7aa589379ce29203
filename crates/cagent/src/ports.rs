//! The ports where people look into jobs: desktops with previews, and Jupyter Lab.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use jobs::Jobs;
use portal::{Portal, PortalConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::listener;
use crate::settings::Settings;

/// Listeners that nobody is served on yet.
#[derive(Debug)]
pub(crate) struct Ports {
    desktop: TcpListener,
    jupyter: TcpListener,
    pub(crate) addresses: Addresses,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) desktop: SocketAddr,
    pub(crate) jupyter: SocketAddr,
}

impl Ports {
    /// Listens where the settings say, or close by: links say where.
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let desktop = bind("desktops", settings.desktop_listen).await?;
        let jupyter = bind("Jupyter Lab", settings.jupyter_listen).await?;
        let address = |listener: &TcpListener| {
            listener.local_addr().context("ask for the address of a port of ours")
        };
        let addresses = Addresses { desktop: address(&desktop)?, jupyter: address(&jupyter)? };
        Ok(Self { desktop, jupyter, addresses })
    }

    /// Serves on both.
    pub(crate) fn serve(self, portal: &Portal, closing: &CancellationToken) -> [JoinHandle<()>; 2] {
        let serve = |listener, router: Router| {
            tokio::spawn(listener::serve(listener, router, closing.clone()))
        };
        [serve(self.desktop, portal.desktops()), serve(self.jupyter, portal.jupyter())]
    }
}

/// What hands out ways into jobs. Without ports of its own nobody could use them.
pub(crate) fn portal(jobs: Jobs, settings: &Settings, at: Addresses, api: SocketAddr) -> Portal {
    let config = PortalConfig {
        desktop: at.desktop,
        jupyter: at.jupyter,
        api,
        domain: settings.preview_domain.clone(),
        needs_keys: settings.needs_keys(),
        path_previews: settings.path_previews,
    };
    Portal::new(jobs, config)
}

/// Says where the pages are, and who will not find them there.
pub(crate) fn tell(settings: &Settings, portal: &Portal, at: Addresses, api: SocketAddr) {
    let (desktops, jupyter) = (portal.desktop_list(), portal.jupyter_list());
    tracing::info!(
        "jobs are at http://{api}/, desktops at {desktops}, Jupyter Lab at {jupyter}; the API is \
         described at http://{api}/docs"
    );
    let is_open = [at.desktop, at.jupyter].iter().any(|address| !address.ip().is_loopback());
    // Without keys something else lets people in, such as published ports of a container.
    if is_open && settings.needs_keys() && settings.preview_domain.is_local() {
        tracing::warn!(
            "desktops, Jupyter Lab and previews listen for other machines, but names below {} lead \
             each of those to itself: set CAGENT_PREVIEW_DOMAIN, or forward the ports by ssh \
             (docs/deploy.md)",
            settings.preview_domain.name
        );
    }
}

/// A port that is taken is no reason not to work: another one does as well.
async fn bind(what: &str, wanted: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(wanted).await {
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            let any = TcpListener::bind((wanted.ip(), 0)).await;
            let listener =
                any.with_context(|| format!("listen on a free port of {}", wanted.ip()))?;
            let found = listener.local_addr().context("ask for our own address")?;
            tracing::warn!(
                "{wanted}, for {what}, is in use by another program; {found} is taken instead"
            );
            Ok(listener)
        }
        bound => bound.with_context(|| format!("listen on {wanted} for {what}")),
    }
}
