//! A server in this process: the engine, the jobs, the API and a listener, put together.

use std::fs::DirBuilder;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::{ApiConfig, Hosts};
use engine::Engine;
use engine_docker::{DockerConfig, DockerEngine};
use engine_local::{LocalConfig, LocalEngine};
use jiff::Timestamp;
use jobs::{Config, Folders, IpNet, Jobs, NetworkPolicy, OpenError};
use models::{Models, Provider};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::ApiKey;

use crate::claim::claim;
use crate::ports::{Addresses, Ports};
use crate::settings::{EngineName, Settings};
use crate::{listener, lockfile, ports, text, tools};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long requests that are being answered may take when the server goes down, and after that what
/// jobs have under way. Together less than deploy/ gives us.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// How long an engine may take to say what it can, before the server goes on without knowing: the
/// probe of a Docker daemon takes seconds.
const TELL_PATIENCE: Duration = Duration::from_secs(20);

/// The prefix of `fc00::/7`, the largest private network.
const WIDEST_PRIVATE: u8 = 7;

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
        let engines = engines(settings, purpose)?;
        if purpose != Purpose::Look {
            settings.egress_allow.iter().for_each(warn_if_wide);
        }
        if purpose == Purpose::Serve {
            tell(settings, &engines).await;
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
            tell_who_may_come(settings, &jobs);
        }
        let portal = ports::portal(jobs.clone(), settings, shown, address);
        if purpose == Purpose::Serve {
            ports::tell(settings, &portal, shown, address);
        }
        let closing = CancellationToken::new();
        let views = ports.map(|ports| ports.serve(&portal, &closing));
        let config = ApiConfig {
            engines: names,
            portal,
            needs_keys: settings.needs_keys(),
            hosts: hosts(settings, address),
            closing: closing.clone(),
        };
        let router = api::router(jobs.clone(), config);
        let serving = tokio::spawn(listener::serve(listener, router, closing.clone()));
        let serving = views.into_iter().flatten().chain([serving]).collect();
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

fn engines(settings: &Settings, purpose: Purpose) -> anyhow::Result<Vec<Arc<dyn Engine>>> {
    Ok(match purpose {
        Purpose::Serve | Purpose::Work => {
            settings.engines.iter().map(|name| engine(*name, settings)).collect::<Result<_, _>>()?
        }
        Purpose::Look => vec![],
    })
}

fn engine(name: EngineName, settings: &Settings) -> anyhow::Result<Arc<dyn Engine>> {
    Ok(match name {
        EngineName::Local => Arc::new(LocalEngine::open(engine_config(settings)?)?),
        EngineName::Docker => Arc::new(DockerEngine::open(docker_config(settings)?)?),
    })
}

/// Who can be asked. A command that only looks asks nobody.
fn providers(settings: &Settings, purpose: Purpose) -> anyhow::Result<Vec<Provider>> {
    if purpose == Purpose::Look {
        return Ok(vec![]);
    }
    let providers = settings.models.providers().context("the settings of models")?;
    if purpose == Purpose::Serve {
        settings.models.warnings().iter().for_each(|half| tracing::warn!("{half}"));
        let names: Vec<_> = providers.iter().map(Provider::name).collect();
        match &*names {
            [] => tracing::info!("no model is set up: tasks are runbooks (docs/models.md)"),
            names => tracing::info!("models, in the order they are asked: {}", names.join(", ")),
        }
    }
    Ok(providers)
}

/// What a server has to work with, for its log.
async fn tell(settings: &Settings, engines: &[Arc<dyn Engine>]) {
    let dir = settings.data_dir.display();
    let jobs = text::count(settings.concurrency.get() as u64, "job");
    for engine in engines {
        let report = match tokio::time::timeout(TELL_PATIENCE, engine.report()).await {
            Ok(Ok(report)) => report,
            Ok(Err(e)) => {
                tracing::warn!("no job can run on {} until this is mended: {e}", engine.name());
                continue;
            }
            Err(_) => {
                tracing::warn!("{} does not answer; its jobs wait until it does", engine.name());
                continue;
            }
        };
        let shortfalls: Vec<_> = report.shortfalls.into_iter().map(|short| short.what).collect();
        let missing = if shortfalls.is_empty() { "nothing".into() } else { shortfalls.join(", ") };
        tracing::info!(
            "data in {dir}, engine {}, {jobs} at one time, not enforced: {missing}",
            engine.name()
        );
    }
}

fn hosts(settings: &Settings, address: SocketAddr) -> Hosts {
    Hosts { names: settings.public_names.clone(), addresses: !address.ip().is_loopback() }
}

/// Others than this machine's own can come.
fn tell_who_may_come(settings: &Settings, jobs: &Jobs) {
    let now = Timestamp::now();
    let works = |key: &ApiKey| key.revoked.is_none() && key.expires.is_none_or(|end| end > now);
    if settings.allow_no_keys && settings.has_name() {
        tracing::warn!(
            "CAGENT_ALLOW_NO_KEYS does not count: CAGENT_PUBLIC_NAMES or CAGENT_PREVIEW_DOMAIN names \
             this server for others"
        );
    }
    if !settings.needs_keys() {
        tracing::warn!(
            "whoever reaches this server may give, read and delete jobs: CAGENT_ALLOW_NO_KEYS is set"
        );
    } else if jobs.list_keys().iter().any(works) {
        tracing::info!("every call needs a key (docs/keys.md)");
    } else {
        let dir = settings.data_dir.display();
        tracing::warn!(
            "every call needs a key, and there is none that works; make one on this machine: \
             cagent key create NAME --data-dir {dir}"
        );
    }
}

/// The networks that are not public are narrow; what is wider was not meant for one of them.
fn warn_if_wide(allowed: &IpNet) {
    if allowed.prefix_len() < WIDEST_PRIVATE {
        tracing::warn!(
            "CAGENT_EGRESS_ALLOW has {allowed}, which opens private networks and the metadata services \
             of clouds to jobs; name the few networks that jobs need"
        );
    }
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
        clock: jobs::Clock::default(),
    }
}

/// Where the images of the embedded engine are.
pub(crate) fn images(settings: &Settings) -> PathBuf {
    settings.data_dir.join("images")
}

/// How the embedded engine is set up, with its tools in place.
pub(crate) fn engine_config(settings: &Settings) -> anyhow::Result<LocalConfig> {
    make_private(&settings.data_dir)?;
    warn_if_open(&settings.data_dir)?;
    let tools = tools::unpack(&settings.data_dir)?;
    Ok(LocalConfig {
        home: settings.data_dir.join("sandboxes"),
        helper: tools.helper,
        tools: tools.inside,
        expose: settings.expose.clone(),
        images: images(settings),
        uids: settings.uids,
    })
}

/// How the Docker engine is set up, with its tools in place.
pub(crate) fn docker_config(settings: &Settings) -> anyhow::Result<DockerConfig> {
    make_private(&settings.data_dir)?;
    let tools = tools::unpack(&settings.data_dir)?;
    Ok(DockerConfig {
        home: settings.data_dir.join("docker"),
        tools: tools.inside,
        image: settings.image.clone(),
        host: settings.docker_host.clone(),
        runtime: settings.docker_runtime.clone(),
    })
}

/// Before anything is put there: prompts and results are nobody else's business.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| OpenError::Directory { path: dir.into(), source })
}

/// A directory that was there before stays as its owner made it.
fn warn_if_open(dir: &Path) -> Result<(), OpenError> {
    let found =
        dir.metadata().map_err(|source| OpenError::Directory { path: dir.into(), source })?;
    if found.mode() & 0o007 != 0 {
        let dir = dir.display();
        tracing::warn!("{dir} is open to other users of this machine; `chmod o= {dir}` shuts it");
    }
    Ok(())
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
