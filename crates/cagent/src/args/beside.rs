//! The arguments of commands for people beside a job that runs: what they say, decide and look into.

use std::num::NonZeroU16;
use std::str::FromStr;

use clap::Args;

use crate::job_name::JobName;

#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// What to say
    #[arg(required = true)]
    pub(crate) text: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// Do not let it run, and tell the agent why
    #[arg(long, value_name = "REASON")]
    pub(crate) reject: Option<String>,
    /// Only if it is this step that the job waits with
    #[arg(long, value_name = "NUMBER")]
    pub(crate) step: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// What of it
    #[arg(value_name = "desktop|jupyter|PORT", default_value = "desktop")]
    pub(crate) what: What,
    /// The desktop without mouse and keyboard
    #[arg(long)]
    pub(crate) watch: bool,
    /// Open it in the browser instead
    #[arg(long)]
    pub(crate) browser: bool,
}

/// What is looked at of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Desktop,
    Jupyter,
    Port(NonZeroU16),
}

impl FromStr for What {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "desktop" => Ok(Self::Desktop),
            "jupyter" => Ok(Self::Jupyter),
            port => port.parse().map(Self::Port).map_err(|_| "it is desktop, jupyter or a port"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// Give it standard input to read
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give it a terminal; with -i, one like this
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// The program and its arguments, after `--`
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VncArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// Without mouse and keyboard
    #[arg(long)]
    pub(crate) watch: bool,
    /// The port of 127.0.0.1 [default: 5900, or a free one if that is taken]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}
