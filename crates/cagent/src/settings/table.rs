//! Every setting there is. `cagent config`, the errors of bad values and the table in
//! docs/settings.md are made from this; a setting that is not here does not exist.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;

use super::{Settings, models};
use crate::{limit, value};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name, and where it stands in `cagent.toml`: a dot parts a table from its key.
    pub(crate) key: &'static str,
    /// Its environment variable.
    pub(crate) variable: &'static str,
    /// Another name of that variable; the first one counts if both are set.
    pub(crate) also: Option<&'static str>,
    /// Its option on the command line, if it has one.
    pub(crate) flag: Option<&'static str>,
    /// What it is if nobody says anything, for people.
    pub(crate) default: &'static str,
    /// What it does, for people, in Markdown.
    pub(crate) about: &'static str,
    /// What parts the entries of a list.
    pub(crate) separator: Option<char>,
    /// Which files may decide it.
    pub(crate) files: Files,
    /// Whether its value is for nobody's eyes.
    pub(crate) secret: bool,
    /// Takes a value.
    pub(crate) set: fn(&mut Settings, &OsStr) -> Result<()>,
    /// The value it has, if any, as it could be given.
    pub(crate) show: fn(&Settings) -> Option<String>,
}

/// What most settings are; each says how it differs.
pub(super) const PLAIN: Setting = Setting {
    key: "",
    variable: "",
    also: None,
    flag: None,
    default: "",
    about: "",
    separator: None,
    files: Files::All,
    secret: false,
    set: |_, _| Ok(()),
    show: |_| None,
};

/// Which files may decide a setting.
///
/// Whoever happens to stand in somebody else's directory must not, by the `.env` file in there,
/// send a task elsewhere or show more of the machine to sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    All,
    NotEnv,
    None,
}

/// The setting of this name.
pub(crate) fn by_key(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

/// The setting of this variable.
pub(crate) fn by_variable(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.variable == name || setting.also == Some(name))
}

/// Every one, in the order of the docs.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    GENERAL.iter().chain(models::SETTINGS).chain(LIMITS).chain(CEILINGS)
}

/// Every limit's default and its ceiling, by their keys.
pub(super) fn limits() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIMITS.iter().zip(CEILINGS).map(|(limit, ceiling)| (limit.key, ceiling.key))
}

const GENERAL: &[Setting] = &[
    Setting {
        key: "config",
        variable: "CAGENT_CONFIG",
        flag: Some("--config"),
        default: "`cagent.toml` in the data directory, else in `/etc/cagent` (root) or `~/.config/cagent`",
        about: "The `cagent.toml` to read.",
        files: Files::None,
        // What it names has been read already.
        set: |_, _| Ok(()),
        show: |settings| settings.config.as_deref().map(value::shown_path),
        ..PLAIN
    },
    Setting {
        key: "server",
        variable: "CAGENT_SERVER",
        flag: Some("--server"),
        default: "the one on the data directory, else one of the command's own",
        about: "The server that commands use, such as `http://127.0.0.1:8000`.",
        files: Files::NotEnv,
        set: |settings, text| value::url(text).map(|url| settings.server = Some(url)),
        show: |settings| settings.server.as_ref().map(ToString::to_string),
        ..PLAIN
    },
    Setting {
        key: "listen",
        variable: "CAGENT_LISTEN",
        flag: Some("--listen"),
        default: "`127.0.0.1:8000`",
        about: "Where the server listens. Port 0 picks a free one. Beyond loopback everybody needs \
                a key.",
        set: |settings, text| value::address(text).map(|address| settings.listen = address),
        show: |settings| Some(settings.listen.to_string()),
        ..PLAIN
    },
    Setting {
        key: "desktop_listen",
        variable: "CAGENT_DESKTOP_LISTEN",
        default: "`127.0.0.1:6080`",
        about: "Where desktops and previews are shown. If the port is taken, another one is used \
                and links say so.",
        set: |settings, text| value::address(text).map(|it| settings.desktop_listen = it),
        show: |settings| Some(settings.desktop_listen.to_string()),
        ..PLAIN
    },
    Setting {
        key: "jupyter_listen",
        variable: "CAGENT_JUPYTER_LISTEN",
        default: "`127.0.0.1:8888`",
        about: "Where Jupyter Lab is shown. If the port is taken, another one is used and links say \
                so.",
        set: |settings, text| value::address(text).map(|it| settings.jupyter_listen = it),
        show: |settings| Some(settings.jupyter_listen.to_string()),
        ..PLAIN
    },
    Setting {
        key: "preview_domain",
        variable: "CAGENT_PREVIEW_DOMAIN",
        default: "`localhost`",
        about: "What the addresses of desktops, Jupyter and previews end in. Each job has names \
                below it, so every name below it must lead to this server. With one beyond `localhost` every \
                call needs a key. With `https://` before it, links lead to a proxy with TLS. See \
                `docs/previews.md`.",
        set: |settings, text| value::domain(text).map(|domain| settings.preview_domain = domain),
        show: |settings| Some(settings.preview_domain.to_string()),
        ..PLAIN
    },
    Setting {
        key: "path_previews",
        variable: "CAGENT_PATH_PREVIEWS",
        default: "`0`",
        about: "`1` lets previews be opened by path, where names below the domain do not lead here. \
                Then previews of different jobs are one origin: they can read each other.",
        files: Files::NotEnv,
        set: |settings, text| value::flag(text).map(|yes| settings.path_previews = yes),
        show: |settings| Some(value::shown_flag(settings.path_previews)),
        ..PLAIN
    },
    Setting {
        key: "allow_no_keys",
        variable: "CAGENT_ALLOW_NO_KEYS",
        default: "`0`",
        about: "`1` lets anybody give, steer and delete jobs who can reach the server, beyond \
                loopback too, as long as neither `CAGENT_PUBLIC_NAMES` nor `CAGENT_PREVIEW_DOMAIN` \
                names it for others. See `docs/keys.md`.",
        files: Files::NotEnv,
        set: |settings, text| value::flag(text).map(|yes| settings.allow_no_keys = yes),
        show: |settings| Some(value::shown_flag(settings.allow_no_keys)),
        ..PLAIN
    },
    Setting {
        key: "api_key",
        variable: "CAGENT_API_KEY",
        default: "none",
        about: "The key that commands show to a server. On its own data directory they need none. \
                See `docs/keys.md`.",
        files: Files::NotEnv,
        secret: true,
        set: |settings, text| value::api_key(text).map(|key| settings.api_key = Some(key)),
        show: |settings| settings.api_key.as_ref().map(|_| "(set)".into()),
        ..PLAIN
    },
    Setting {
        key: "public_names",
        variable: "CAGENT_PUBLIC_NAMES",
        default: "none",
        about: "Names under which others know the server, such as `agent.example.org`, also by a \
                proxy before it. It answers to no others but `localhost`, and every call needs a \
                key.",
        separator: Some(','),
        files: Files::NotEnv,
        set: |settings, text| value::hosts(text).map(|names| settings.public_names = names),
        show: |settings| value::shown_list(settings.public_names.iter(), ","),
        ..PLAIN
    },
    Setting {
        key: "data_dir",
        variable: "CAGENT_DATA_DIR",
        flag: Some("--data-dir"),
        default: "root: `/var/lib/cagent`; others: `$XDG_DATA_HOME/cagent` or \
                  `~/.local/share/cagent`",
        about: "Where jobs, their events and their sandboxes are kept. One server at a time. Made \
                if it is not there, for its owner only.",
        set: |settings, text| value::directory(text).map(|dir| settings.data_dir = dir),
        show: |settings| Some(value::shown_path(&settings.data_dir)),
        ..PLAIN
    },
    Setting {
        key: "output_dir",
        variable: "AGENT_OUTPUT_DIR",
        default: "`jobs` in the data directory",
        about: "Where results are kept: one folder per job with `output.zip` and, if anything was \
                written to them, `stdout.log` and `stderr.log`.",
        set: |settings, text| value::directory(text).map(|dir| settings.output_dir = dir),
        show: |settings| Some(value::shown_path(&settings.output_dir)),
        ..PLAIN
    },
    Setting {
        key: "retention_days",
        variable: "RETENTION_DAYS",
        default: "`1`",
        about: "For how many days, a whole number, a finished job, its logs and its ZIP are kept; 0: \
                they go within a minute.",
        set: |settings, text| value::days(text).map(|days| settings.retention_days = days),
        show: |settings| Some(settings.retention_days.to_string()),
        ..PLAIN
    },
    Setting {
        key: "concurrency",
        variable: "CAGENT_CONCURRENCY",
        flag: Some("--concurrency"),
        default: "number of cores",
        about: "How many jobs run at one time, 1 or more; the others wait in order.",
        set: |settings, text| value::at_least_one(text).map(|jobs| settings.concurrency = jobs),
        show: |settings| Some(settings.concurrency.to_string()),
        ..PLAIN
    },
    Setting {
        key: "drain",
        variable: "CAGENT_DRAIN",
        flag: Some("--drain"),
        default: "`0`",
        about: "`1` lets the server wait for the jobs that run when it is told to stop, without \
                beginning or accepting others. A second signal stops it at once. See \
                `docs/operations.md`.",
        set: |settings, text| value::flag(text).map(|yes| settings.drain = yes),
        show: |settings| Some(value::shown_flag(settings.drain)),
        ..PLAIN
    },
    Setting {
        key: "reserve",
        variable: "CAGENT_RESERVE",
        default: "`512M`",
        about: "No job is accepted while the file systems of data and results have less room than \
                this.",
        set: |settings, text| value::size(text).map(|bytes| settings.reserve_bytes = bytes),
        show: |settings| Some(value::shown_size(settings.reserve_bytes)),
        ..PLAIN
    },
    Setting {
        key: "results",
        variable: "CAGENT_RESULTS",
        default: "no bound",
        about: "How much the ZIPs and logs of all finished jobs may take together, such as `50G`. \
                Beyond it the oldest finished jobs are forgotten before `retention_days` are over; \
                the newest one and unfinished jobs never.",
        set: |settings, text| value::size(text).map(|bytes| settings.results_bytes = bytes),
        show: |settings| {
            (settings.results_bytes < u64::MAX).then(|| value::shown_size(settings.results_bytes))
        },
        ..PLAIN
    },
    Setting {
        key: "engine",
        variable: "CAGENT_ENGINE",
        flag: Some("--engine"),
        default: "`local`",
        about: "What makes sandboxes: `local`, the embedded engine, `docker`, or both, separated by \
                a comma. The first one is for jobs that do not say.",
        separator: Some(','),
        set: |settings, text| value::engines(text).map(|engines| settings.engines = engines),
        show: |settings| value::shown_list(settings.engines.iter().map(|e| e.as_str()), ","),
        ..PLAIN
    },
    Setting {
        key: "image",
        variable: "AGENT_IMAGE",
        default: "`containerized-agent:latest`",
        about: "The image of jobs on Docker that name none. See `docs/images.md`.",
        set: |settings, text| value::image(text).map(|image| settings.image = image),
        show: |settings| Some(settings.image.clone()),
        ..PLAIN
    },
    Setting {
        key: "docker_host",
        variable: "DOCKER_HOST",
        default: "`unix:///var/run/docker.sock`",
        about: "The Docker daemon, `unix://…` or `tcp://…`; Podman's socket works too.",
        files: Files::NotEnv,
        set: |settings, text| value::name(text).map(|host| settings.docker_host = Some(host)),
        show: |settings| settings.docker_host.clone(),
        ..PLAIN
    },
    Setting {
        key: "docker_runtime",
        variable: "CAGENT_DOCKER_RUNTIME",
        default: "the daemon's",
        about: "What runs the containers of jobs: a runtime that the daemon knows, such as `runsc` \
                (gVisor) or `kata`.",
        set: |settings, text| value::name(text).map(|name| settings.docker_runtime = Some(name)),
        show: |settings| settings.docker_runtime.clone(),
        ..PLAIN
    },
    Setting {
        key: "expose",
        variable: "CAGENT_EXPOSE",
        flag: Some("--expose"),
        default: "nothing",
        about: "Directories of the machine that sandboxes see beside `/usr`, read-only, at the \
                same path, separated by colons (the option is repeated instead). For interpreters \
                that live elsewhere: pyenv, nvm. Their `bin` comes last in `PATH`.",
        separator: Some(':'),
        files: Files::NotEnv,
        set: |settings, text| {
            let named = |path: &PathBuf| !path.as_os_str().is_empty();
            settings.expose = std::env::split_paths(text).filter(named).collect();
            Ok(())
        },
        show: |settings| value::shown_list(settings.expose.iter().map(|path| path.display()), ":"),
        ..PLAIN
    },
    Setting {
        key: "uids",
        variable: "CAGENT_UIDS",
        default: "`1879048192:65536`",
        about: "Root only: the host uids (and gids of the same numbers) of sandboxes, `FIRST:COUNT`. \
                Each live sandbox has two; nobody else may have any of them.",
        files: Files::NotEnv,
        set: |settings, text| value::uids(text).map(|uids| settings.uids = uids),
        show: |settings| Some(format!("{}:{}", settings.uids.first, settings.uids.count)),
        ..PLAIN
    },
    Setting {
        key: "network",
        variable: "CAGENT_NETWORK",
        default: "`open`, or the ceiling",
        about: "What a job may reach that does not say: `none`, `open` (the public internet), or \
                domains such as `example.org,*.example.org`. See `docs/network.md`.",
        separator: Some(','),
        set: |settings, text| value::network(text).map(|network| settings.network = network),
        show: |settings| Some(value::shown_network(&settings.network)),
        ..PLAIN
    },
    Setting {
        key: "network_ceiling",
        variable: "CAGENT_NETWORK_CEILING",
        default: "`open`",
        about: "The most a job may ask to reach; a job that asks for more is refused.",
        separator: Some(','),
        set: |settings, text| value::network(text).map(|most| settings.network_ceiling = most),
        show: |settings| Some(value::shown_network(&settings.network_ceiling)),
        ..PLAIN
    },
    Setting {
        key: "egress_allow",
        variable: "CAGENT_EGRESS_ALLOW",
        default: "none",
        about: "Addresses and networks that jobs may reach though they are not public, such as \
                `10.1.2.3,192.168.7.0/24`.",
        separator: Some(','),
        files: Files::NotEnv,
        set: |settings, text| value::addresses(text).map(|allow| settings.egress_allow = allow),
        show: |settings| value::shown_list(settings.egress_allow.iter(), ","),
        ..PLAIN
    },
    Setting {
        key: "webhook_url",
        variable: "CAGENT_WEBHOOK_URL",
        default: "none",
        about: "Where the server tells what happens to jobs, such as `https://example.org/hook`. See \
                `docs/webhooks.md`.",
        files: Files::NotEnv,
        secret: true,
        set: |settings, text| {
            value::address_of_hook(text).map(|url| settings.webhook_url = Some(url))
        },
        show: |settings| settings.webhook_url.as_ref().map(value::shown_origin),
        ..PLAIN
    },
    Setting {
        key: "webhook_secret",
        variable: "CAGENT_WEBHOOK_SECRET",
        default: "none",
        about: "What that is signed with: `whsec_` and 24 to 64 random bytes in base64.",
        files: Files::NotEnv,
        secret: true,
        set: |settings, text| {
            settings.webhook_secret = Some(webhooks::Secret::parse(value::text(text)?)?);
            Ok(())
        },
        show: |settings| settings.webhook_secret.as_ref().map(|_| "(set)".into()),
        ..PLAIN
    },
    Setting {
        key: "log",
        variable: "RUST_LOG",
        default: "`serve`: `info`; others: `warn`",
        about: "What is logged to standard error: `debug`, `jobs=debug,info`, …",
        separator: Some(','),
        set: |settings, text| value::log_filter(text).map(|log| settings.log = Some(log)),
        show: |settings| settings.log.clone(),
        ..PLAIN
    },
    Setting {
        key: "log_format",
        variable: "CAGENT_LOG_FORMAT",
        flag: Some("--log-format"),
        default: "`text`",
        about: "How lines of the log look: `text`, or `json`, an object a line. See \
                `docs/monitoring.md`.",
        set: |settings, text| value::log_format(text).map(|format| settings.log_format = format),
        show: |settings| Some(settings.log_format.as_str().into()),
        ..PLAIN
    },
];

/// Declares the default and the ceiling of every limit.
macro_rules! limits {
    ($($name:literal $variable:literal: $default:literal, $ceiling:literal, $about:literal;)*) => {
        const LIMITS: &[Setting] = &[$(Setting {
            key: concat!("limits.", $name),
            variable: concat!("CAGENT_LIMIT_", $variable),
            default: $default,
            about: $about,
            set: |settings, text| {
                let limits = limit::with(settings.limits.defaults, $name, value::text(text)?)?;
                settings.limits.defaults = limits;
                Ok(())
            },
            show: |settings| limit::shown(settings.limits.defaults, $name),
            ..PLAIN
        }),*];

        const CEILINGS: &[Setting] = &[$(Setting {
            key: concat!("ceilings.", $name),
            variable: concat!("CAGENT_CEILING_", $variable),
            default: $ceiling,
            about: concat!("The most a job may ask for of `limits.", $name, "`."),
            set: |settings, text| {
                let ceilings = limit::with(settings.limits.ceilings, $name, value::text(text)?)?;
                settings.limits.ceilings = ceilings;
                Ok(())
            },
            show: |settings| limit::shown(settings.limits.ceilings, $name),
            ..PLAIN
        }),*];
    };
}

limits! {
    "cpus" "CPUS": "`2`", "number of cores",
        "Processor time per second: 1.5 is one and a half cores.";
    "memory_bytes" "MEMORY_BYTES": "`2G`", "the machine's memory",
        "Memory of all processes together, and of files in `/tmp`.";
    "processes" "PROCESSES": "`512`", "`32768`",
        "Processes and threads at one time.";
    "open_files" "OPEN_FILES": "`4096`", "`1048576`",
        "Open files of one process.";
    "disk_bytes" "DISK_BYTES": "`4G`", "`64G`",
        "Everything in `/workspace` together.";
    "file_bytes" "FILE_BYTES": "`4G`", "`64G`",
        "Size of one file.";
    "wall_seconds" "WALL_SECONDS": "`1h`", "`168h`",
        "Time from the sandbox's start to the job's end.";
    "output_bytes" "OUTPUT_BYTES": "`1G`", "`16G`",
        "What is written to standard output and standard error, together.";
    "steps" "STEPS": "`1000`", "`1000000`",
        "Steps an agent may begin.";
    "model_calls" "MODEL_CALLS": "`1000`", "`1000000`",
        "Calls of models, those that failed included.";
    "model_tokens" "MODEL_TOKENS": "`50000000`", "`1000000000000`",
        "Tokens that models may read and write together, over all calls.";
    "cost_usd" "COST_USD": "`10`", "`1000000`",
        "What the calls may cost in US dollars; counted where a price is set.";
}
