//! The arguments of commands that deal with the files of jobs.

use std::path::PathBuf;

use clap::Args;

use crate::job_name::JobName;
use crate::spot::Spot;

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
pub(crate) struct DownloadArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
    /// Where to; `-` for standard output [default: JOB.zip]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
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
pub(crate) struct CpArgs {
    /// JOB:PATH, or a file here
    pub(crate) from: Spot,
    /// JOB:PATH, or a file or directory here; `-` for standard output
    pub(crate) to: Spot,
}
