//! The arguments of `cagent serve`, and of what deals with a server's machine as it does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; beyond loopback every call needs a key, port 0 picks a free port [env:
    /// CAGENT_LISTEN] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<OsString>,
    #[command(flatten)]
    pub(crate) engines: EnginesArgs,
    /// How many jobs run at one time [env: CAGENT_CONCURRENCY] [default: the number of cores]
    #[arg(long, value_name = "JOBS")]
    pub(crate) concurrency: Option<OsString>,
    /// When told to stop, wait for the jobs that run; a second signal stops it at once [env:
    /// CAGENT_DRAIN] [default: 0]
    #[arg(long, num_args = 0..=1, default_missing_value = "1", value_name = "0|1")]
    pub(crate) drain: Option<OsString>,
    /// How lines of the log look: for people, or a JSON object a line [env: CAGENT_LOG_FORMAT]
    /// [default: text]
    #[arg(long, value_name = "text|json")]
    pub(crate) log_format: Option<OsString>,
}

/// Which engines there are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EnginesArgs {
    /// What makes sandboxes: local, the embedded engine; docker; or both, the first one for jobs that
    /// do not say [env: CAGENT_ENGINE] [default: local]
    #[arg(long, value_name = "NAME[,NAME]")]
    pub(crate) engine: Option<OsString>,
    #[command(flatten)]
    pub(crate) setup: EngineArgs,
}

/// How the engine is set up.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EngineArgs {
    /// A directory of this machine that sandboxes see, read-only, at the same path; may be repeated
    /// [env: CAGENT_EXPOSE, separated by colons]
    #[arg(long, value_name = "PATH")]
    pub(crate) expose: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The directory of the backup
    pub(crate) directory: PathBuf,
}
