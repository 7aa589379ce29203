//! The arguments of commands that look at jobs on a terminal.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::job_name::JobName;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Open this job at once: its id, or at least 4 characters of its beginning or its end
    pub(crate) job: Option<JobName>,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one table and leave, also on a terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// What is largest at the top
    #[arg(
        long,
        value_enum,
        default_value = "cpu",
        hide_possible_values = true,
        value_name = "cpu|memory|disk|processes"
    )]
    pub(crate) sort: Sort,
}

/// By what jobs are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Cpu,
    Memory,
    Disk,
    Processes,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// What it is compared with: a directory here, such as the one that was uploaded, or another
    /// job [default: the job that it resumed, else nothing: all its files are new]
    #[arg(long, value_name = "DIR|JOB")]
    pub(crate) base: Option<PathBuf>,
    /// Only which files, and by how much
    #[arg(long)]
    pub(crate) stat: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, hide_possible_values = true, value_name = "bash|zsh|fish")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// The directory, within its workspace
    #[arg(default_value = "")]
    pub(crate) path: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// Go on until the job ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Standard error instead of standard output
    #[arg(long)]
    pub(crate) stderr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// Where to; `-` for standard output [default: JOB.zip]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
