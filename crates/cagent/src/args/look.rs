//! The arguments of commands that look at jobs.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use types::JobStatus;

use super::word;
use crate::job_name::JobName;

#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Only jobs that are in one of these, such as running or complete,error
    #[arg(long = "status", value_parser = status, value_delimiter = ',', value_name = "STATUS,...")]
    pub(crate) statuses: Vec<JobStatus>,
    /// Only the newest
    #[arg(long, value_name = "JOBS")]
    pub(crate) limit: Option<NonZeroU32>,
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

fn status(text: &str) -> Result<JobStatus, String> {
    word(text)
}
