//! Settings: the command line, then our environment, then a `.env` file, then `cagent.toml`, then
//! defaults.
//!
//! | file | what |
//! |---|---|
//! | `table` | every setting: its names, its default, how it is read and shown |
//! | `models` | those of model providers, and what they come to |
//! | `sources` | where values come from, and which one counts |
//! | `file`, `env_file` | the two files |
//! | `suggest` | what was meant by a name that is none |
//!
//! Not here: what values look like (`value`, `limit`).

#[cfg(test)]
mod docs;
mod env_file;
mod file;
mod models;
mod small_file;
mod sources;
mod suggest;
mod table;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use engine_local::UidRange;
use jobs::IpNet;
use portal::Domain;
use reqwest::Url;
use reqwest::header::HeaderValue;
use types::{Limits, LimitsPolicy, Network};
use webhooks::{Hook, Secret};

use crate::limit;
use crate::log::LogFormat;
pub(crate) use models::ModelSettings;
pub(crate) use sources::{Flags, Sources};
pub(crate) use table::{Setting, all};

/// Everything that can be set, as it is.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The `cagent.toml` that was read.
    pub(crate) config: Option<PathBuf>,
    /// The server that was named, if one was.
    pub(crate) server: Option<Url>,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Everything that is kept, but results.
    pub(crate) data_dir: PathBuf,
    /// One folder per job.
    pub(crate) output_dir: PathBuf,
    /// For how many days a finished job is kept.
    pub(crate) retention_days: u32,
    /// How many jobs run at one time.
    pub(crate) concurrency: NonZeroUsize,
    /// Whether a server that is told to stop waits for the jobs that run.
    pub(crate) drain: bool,
    /// Free room on the disk below which no job is accepted.
    pub(crate) reserve_bytes: u64,
    /// What results and logs of jobs that are over may take of it.
    pub(crate) results_bytes: u64,
    /// Where desktops and previews are shown.
    pub(crate) desktop_listen: SocketAddr,
    /// Where Jupyter Lab is shown.
    pub(crate) jupyter_listen: SocketAddr,
    /// What the origins of desktops, Jupyter and previews end in.
    pub(crate) preview_domain: Domain,
    /// Whether previews may be had by path, too.
    pub(crate) path_previews: bool,
    /// Whether nobody is asked for a key, wherever the server listens.
    pub(crate) allow_no_keys: bool,
    /// The key that commands show to a server.
    pub(crate) api_key: Option<HeaderValue>,
    /// Names under which others know the server.
    pub(crate) public_names: Vec<String>,
    /// What makes sandboxes; the first one unless a job says otherwise.
    pub(crate) engines: Vec<EngineName>,
    /// The image of jobs on Docker that name none.
    pub(crate) image: String,
    /// The Docker daemon.
    pub(crate) docker_host: Option<String>,
    /// What runs its containers.
    pub(crate) docker_runtime: Option<String>,
    /// What of this machine sandboxes see beside `/usr`.
    pub(crate) expose: Vec<PathBuf>,
    /// Host uids of sandboxes.
    pub(crate) uids: UidRange,
    /// What a job may reach that does not say.
    pub(crate) network: Network,
    /// The most a job may ask to reach.
    pub(crate) network_ceiling: Network,
    /// What jobs may reach though it is not public.
    pub(crate) egress_allow: Vec<IpNet>,
    /// What a job gets, and the most it may ask for.
    pub(crate) limits: LimitsPolicy,
    /// The model providers.
    pub(crate) models: ModelSettings,
    /// The webhook that is told of jobs, and what it is told with; both or none.
    pub(crate) webhook_url: Option<Url>,
    pub(crate) webhook_secret: Option<Secret>,
    /// What is logged, if somebody said so.
    pub(crate) log: Option<String>,
    /// How lines of the log look.
    pub(crate) log_format: LogFormat,
}

/// The engines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineName {
    /// The embedded engine.
    Local,
    /// A Docker or Podman daemon.
    Docker,
}

impl EngineName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

impl Settings {
    /// Puts together what was said.
    ///
    /// # Errors
    /// Names the setting whose value makes no sense, and who said it.
    pub(crate) fn new(sources: &Sources) -> Result<Self> {
        let mut settings = Self::defaults(sources);
        for setting in all() {
            if let Some(given) = sources.given(setting) {
                let set = (setting.set)(&mut settings, &given.value);
                set.with_context(|| given.as_said(setting))?;
            }
        }
        settings.settle(sources)?;
        Ok(settings)
    }

    fn defaults(sources: &Sources) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            config: sources.config().map(Into::into),
            server: None,
            listen: (Ipv4Addr::LOCALHOST, 8000).into(),
            data_dir: sources.usual_data_dir().unwrap_or_default(),
            output_dir: PathBuf::new(),
            retention_days: 1,
            concurrency: cores,
            drain: false,
            reserve_bytes: 512 << 20,
            results_bytes: u64::MAX,
            desktop_listen: (Ipv4Addr::LOCALHOST, 6080).into(),
            jupyter_listen: (Ipv4Addr::LOCALHOST, 8888).into(),
            preview_domain: Domain { name: "localhost".into(), tls: None },
            path_previews: false,
            allow_no_keys: false,
            api_key: None,
            public_names: vec![],
            engines: vec![EngineName::Local],
            image: "containerized-agent:latest".into(),
            docker_host: None,
            docker_runtime: None,
            expose: vec![],
            uids: UidRange::default(),
            network: Network::Open,
            network_ceiling: Network::Open,
            egress_allow: vec![],
            limits: LimitsPolicy { defaults: Limits::default(), ceilings: ceilings(cores) },
            models: ModelSettings::default(),
            webhook_url: None,
            webhook_secret: None,
            log: None,
            log_format: LogFormat::Text,
        }
    }

    /// Whether people are asked for a key: as soon as others than this machine's own can come,
    /// unless the operator says by name that they need none. Who has a name that others know is meant
    /// for others, whatever was said.
    pub(crate) fn needs_keys(&self) -> bool {
        self.has_name() || (self.is_public() && !self.allow_no_keys)
    }

    /// Whether others than this machine's own can come: directly, or by a proxy that has a name.
    pub(crate) fn is_public(&self) -> bool {
        let all = [self.listen, self.desktop_listen, self.jupyter_listen];
        self.has_name() || all.iter().any(|address| !address.ip().is_loopback())
    }

    /// Whether there is a name that leads here from other machines.
    pub(crate) fn has_name(&self) -> bool {
        !self.preview_domain.is_local() || !self.public_names.is_empty()
    }

    /// The webhook, if there is one.
    pub(crate) fn webhook(&self) -> Result<Option<Hook>> {
        match (&self.webhook_url, &self.webhook_secret) {
            (Some(url), Some(secret)) => Ok(Some(Hook::new(url.clone(), secret.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("CAGENT_WEBHOOK_URL is set without CAGENT_WEBHOOK_SECRET"),
            (None, Some(_)) => bail!("CAGENT_WEBHOOK_SECRET is set without CAGENT_WEBHOOK_URL"),
        }
    }

    /// Settles what depends on more than one of them.
    fn settle(&mut self, sources: &Sources) -> Result<()> {
        let no_place = "HOME is not set, so there is no place to keep jobs; use --data-dir";
        ensure!(!self.data_dir.as_os_str().is_empty(), no_place);
        if self.output_dir.as_os_str().is_empty() {
            self.output_dir = self.data_dir.join("jobs");
        }
        self.webhook()?;
        if !self.network.is_within(&self.network_ceiling) {
            above(sources, "network", "network_ceiling", self)?;
            self.network = self.network_ceiling.clone();
        }
        for (key, ceiling) in table::limits() {
            let LimitsPolicy { defaults, ceilings } = self.limits;
            if limit::exceeds(defaults, ceilings, key) {
                above(sources, key, ceiling, self)?;
                self.limits.defaults = limit::replaced(defaults, ceilings, key)?;
            }
        }
        Ok(())
    }
}

/// The machine itself, and for the rest more than most jobs can use and one job should.
fn ceilings(cores: NonZeroUsize) -> Limits {
    let info = rustix::system::sysinfo();
    #[expect(clippy::useless_conversion, reason = "its size is that of the machine's words")]
    let memory = u64::from(info.totalram).saturating_mul(info.mem_unit.into());
    Limits {
        cpus: u32::try_from(cores.get()).map_or(f64::MAX, f64::from),
        memory_bytes: memory,
        processes: 32_768,
        // Linux's own, `fs.nr_open`.
        open_files: 1_048_576,
        disk_bytes: 64 << 30,
        file_bytes: 64 << 30,
        wall_seconds: 7 * 86_400,
        output_bytes: 16 << 30,
        steps: 1_000_000,
        model_calls: 1_000_000,
        model_tokens: 1_000_000_000_000,
        cost_usd: 1e6,
    }
}

/// Refuses what somebody said that is above a ceiling. A default gives way instead.
fn above(sources: &Sources, key: &str, ceiling: &str, settings: &Settings) -> Result<()> {
    let setting = |key| table::by_key(key).with_context(|| format!("there is no setting {key}"));
    let (setting, ceiling) = (setting(key)?, setting(ceiling)?);
    let Some(given) = sources.given(setting) else { return Ok(()) };
    let most = (ceiling.show)(settings).unwrap_or_default();
    let (said, origin) = (given.as_said(setting), sources.origin(ceiling));
    bail!("{said}: above {} ({most}, {origin}); lower the one or raise the other", ceiling.key)
}
