//! A server in this process: the engine, the jobs, the API and a listener, put together.

mod engines;
mod tell;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{ApiConfig, Hosts};
use jobs::{Config, Folders, Jobs, NetworkPolicy, OpenError};
use models::{Models, Provider};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::claim::claim;
use crate::machine::ThisMachine;
use crate::ports::{Addresses, Ports};
use crate::settings::Settings;
use crate::{listener, lockfile, ports, text};
pub(crate) use engines::{docker_config, engine_config, images};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long requests that are being answered may take when the server goes down, and after that what
/// jobs have under way. Together less than deploy/ gives us.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run jobs until somebody stops it.
    Serve,
    /// To run jobs until a command has what it wants.
    Work,
    /// To look at what is there. Nothing is run, and what an earlier one left is not touched.
    Look,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    jobs: Jobs,
    purpose: Purpose,
    address: SocketAddr,
    closing: CancellationToken,
    serving: Vec<JoinHandle<()>>,
}

/// A port of our own for a server that only this machine's processes need to find.
pub(crate) async fn any_port() -> anyhow::Result<TcpListener> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    TcpListener::bind(any).await.context("listen on a free port of 127.0.0.1")
}

impl Server {
    /// Starts one and says in the lock file where it is.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has the data directory.
    pub(crate) async fn start(
        settings: &Settings,
        listener: TcpListener,
        purpose: Purpose,
    ) -> anyhow::Result<Self> {
        listener::raise_files();
        let folders = claim(settings).await?;
        let address = listener.local_addr().context("ask for our own address")?;
        // Before the engine is there: who finds the lock held wants to know by whom.
        announce(&folders, purpose, address).context("write into the lock file")?;
        let engines = engines::open(settings, purpose)?;
        if purpose != Purpose::Look {
            settings.egress_allow.iter().for_each(tell::if_wide);
        }
        if purpose == Purpose::Serve {
            tell::engines(settings, &engines).await;
        }
        let models = Arc::new(Models::new(providers(settings, purpose)?));
        let names = engines.iter().map(|engine| engine.name().into()).collect();
        let ports = match purpose {
            Purpose::Serve | Purpose::Work => Some(Ports::bind(settings).await?),
            Purpose::Look => None,
        };
        let shown = ports.as_ref().map(|ports| ports.addresses);
        let shown = shown.unwrap_or(Addresses { desktop: address, jupyter: address });
        let own_ports = [address, shown.desktop, shown.jupyter].map(|address| address.port());
        let config = config(settings, purpose, own_ports.into(), models);
        let jobs = Jobs::open(folders, config, engines).await?;
        if purpose == Purpose::Serve && settings.is_public() {
            tell::who_may_come(settings, &jobs);
        }
        let portal = ports::portal(jobs.clone(), settings, shown, address);
        if purpose == Purpose::Serve {
            ports::tell(settings, &portal, shown, address);
        }
        let closing = CancellationToken::new();
        let views = ports.map(|ports| ports.serve(&portal, &closing));
        let config = ApiConfig {
            engines: names,
            machine: Arc::new(ThisMachine(settings.clone())),
            portal,
            needs_keys: settings.needs_keys(),
            hosts: hosts(settings, address),
            closing: closing.clone(),
        };
        let router = api::router(jobs.clone(), config);
        let serving = tokio::spawn(listener::serve(listener, router, closing.clone()));
        let hook = settings.webhook()?.filter(|_| purpose != Purpose::Look);
        let tell = |hook| webhooks::run(jobs.outbox(), hook, closing.clone());
        let telling = hook.map(|hook| tokio::spawn(tell(hook)));
        let serving = views.into_iter().flatten().chain(telling).chain([serving]).collect();
        Ok(Self { jobs, purpose, address, closing, serving })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is for.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Begins no job any more, and returns when none runs. Everything else is answered meanwhile.
    pub(crate) async fn drain(&self) {
        self.jobs.drain();
        let running = text::count(self.jobs.running() as u64, "job");
        tracing::info!(
            "drains: takes no jobs any more and waits for {running}; queued ones stay queued"
        );
        self.jobs.drained().await;
    }

    /// Stops in good order, at once if `hurry` says so. Sandboxes stay up for the next one.
    pub(crate) async fn stop(self, hurry: impl Future) {
        // First: who asks for a job from now on comes too late.
        self.jobs.drain();
        self.closing.cancel();
        let served = async {
            for serving in self.serving {
                drop(serving.await);
            }
        };
        tokio::select! {
            () = served => {}
            () = tokio::time::sleep(CLOSE_PATIENCE) => {
                tracing::warn!("some requests were cut off: they took too long");
            }
            _ = hurry => tracing::warn!("some requests were cut off, as it was asked for"),
        }
        if tokio::time::timeout(SETTLE_PATIENCE, self.jobs.stop()).await.is_err() {
            tracing::warn!("leaves some work half-done, which the next start does again");
        }
    }
}

/// Who can be asked. A command that only looks asks nobody.
fn providers(settings: &Settings, purpose: Purpose) -> anyhow::Result<Vec<Provider>> {
    if purpose == Purpose::Look {
        return Ok(vec![]);
    }
    let providers = settings.models.providers().context("the settings of models")?;
    if purpose == Purpose::Serve {
        tell::models(&settings.models, &providers);
    }
    Ok(providers)
}

fn hosts(settings: &Settings, address: SocketAddr) -> Hosts {
    Hosts { names: settings.public_names.clone(), addresses: !address.ip().is_loopback() }
}

/// Whether another process has the data directory.
pub(crate) fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::InUse { .. }))
}

fn config(
    settings: &Settings,
    purpose: Purpose,
    own_ports: Arc<[u16]>,
    models: Arc<Models>,
) -> Config {
    Config {
        models,
        concurrency: match purpose {
            Purpose::Serve | Purpose::Work => settings.concurrency.get(),
            Purpose::Look => 0,
        },
        retention: DAY * settings.retention_days,
        limits: settings.limits,
        network: NetworkPolicy {
            default: settings.network.clone(),
            ceiling: settings.network_ceiling.clone(),
        },
        egress_allow: settings.egress_allow.clone().into(),
        own_ports,
        reserve_bytes: settings.reserve_bytes,
        results_bytes: settings.results_bytes,
        engine_patience: match purpose {
            Purpose::Serve => jobs::ENGINE_PATIENCE,
            // Somebody sits before it.
            Purpose::Work | Purpose::Look => Duration::ZERO,
        },
        tells: settings.webhook_url.is_some() && purpose != Purpose::Look,
        clock: jobs::Clock::default(),
    }
}

/// One that only looks has no address to offer: no job would be run there.
fn announce(folders: &Folders, purpose: Purpose, address: SocketAddr) -> std::io::Result<()> {
    let pid = std::process::id();
    folders.announce(&match purpose {
        Purpose::Serve => format!("pid {pid} http://{address}"),
        Purpose::Work => format!("pid {pid} http://{address} {}", lockfile::PASSING),
        Purpose::Look => format!("pid {pid}"),
    })
}
