//! The commands. What each is for is said in one line; what stands below its help is in `examples`.

use clap::{Arg, Args, Subcommand};
use clap_complete::Shell;

use super::{
    ApproveArgs, BackupArgs, CpArgs, DiffArgs, DownloadArgs, EnginesArgs, ExecArgs, FilesArgs,
    ImageCommand, KeyCommand, LogsArgs, OpenArgs, PsArgs, RunArgs, SayArgs, ServeArgs, TopArgs,
    VncArgs, WatchArgs, examples,
};
use crate::job_name::JobName;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    #[command(arg = no_server(), after_help = examples::SERVE)]
    Serve(ServeArgs),
    /// Run one task and follow it; the exit code is its outcome
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// List the jobs, newest first
    #[command(after_help = examples::PS)]
    Ps(PsArgs),
    /// Show one job
    #[command(after_help = examples::STATUS)]
    Status(JobArgs),
    /// Print what a job wrote
    #[command(after_help = examples::LOGS)]
    Logs(LogsArgs),
    /// See all jobs, or one, on the whole screen while things happen
    #[command(after_help = examples::WATCH)]
    Watch(WatchArgs),
    /// Show what the jobs that run use
    #[command(after_help = examples::TOP)]
    Top(TopArgs),
    /// Show which files a job made, changed and removed
    #[command(after_help = examples::DIFF)]
    Diff(DiffArgs),
    /// Say something to the agent of a job; it hears it at its next turn
    #[command(after_help = examples::SAY)]
    Say(SayArgs),
    /// Let the step run that a job waits with, or reject it
    #[command(after_help = examples::APPROVE)]
    Approve(ApproveArgs),
    /// Open a shell beside a running job, in its sandbox
    #[command(after_help = examples::ATTACH)]
    Attach(JobArgs),
    /// Run a program beside a running job, in its sandbox; its exit code is this one's
    #[command(after_help = examples::EXEC)]
    Exec(ExecArgs),
    /// Print a link into a running job: to its desktop, Jupyter Lab or a port it listens on
    #[command(after_help = examples::OPEN)]
    Open(OpenArgs),
    /// Bring the desktop of a running job to a port of this machine, for VNC programs
    #[command(after_help = examples::VNC)]
    Vnc(VncArgs),
    /// Stop a job
    #[command(after_help = examples::CANCEL)]
    Cancel(JobArgs),
    /// Go on after a job that lost its sandbox, in its workspace, and show the job that does
    #[command(after_help = examples::RESUME)]
    Resume(JobArgs),
    /// Save a job's ZIP
    #[command(after_help = examples::DOWNLOAD)]
    Download(DownloadArgs),
    /// List the files of a job, while it runs or after
    #[command(after_help = examples::FILES)]
    Files(FilesArgs),
    /// Copy one file out of a job, or into one that is not over
    #[command(after_help = examples::CP)]
    Cp(CpArgs),
    /// Forget jobs that are over, with all their files
    #[command(after_help = examples::DELETE)]
    Delete(DeleteArgs),
    /// Make, list and revoke keys to the API
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Make, import and list the images that sandboxes are made from
    #[command(arg = no_server())]
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// Copy everything that is kept, while the server works or without one
    #[command(arg = no_server(), after_help = examples::BACKUP)]
    Backup(BackupArgs),
    /// Put a backup into a new data directory, for a server to start on
    #[command(arg = no_server(), after_help = examples::RESTORE)]
    Restore(BackupArgs),
    /// Check what this machine can do
    #[command(arg = no_server(), after_help = examples::DOCTOR)]
    Doctor(EnginesArgs),
    /// Let an assistant give, follow, steer and fetch jobs, by the Model Context Protocol
    #[command(after_help = examples::MCP)]
    Mcp,
    /// Show every setting, its value and who decided it
    #[command(after_help = examples::CONFIG)]
    Config(ServeArgs),
    /// Print what makes a shell complete commands, options and the ids of jobs
    #[command(arg = no_server(), after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Their ids, or at least 4 characters of the beginning or the end of each
    #[arg(required = true)]
    pub(crate) jobs: Vec<JobName>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, hide_possible_values = true, value_name = "bash|zsh|fish")]
    pub(crate) shell: Shell,
}

/// `--server`, which stands for every command, is not offered where it has no meaning. Given all the
/// same it is refused with what to do instead, which clap cannot say.
fn no_server() -> Arg {
    let anything = clap::value_parser!(std::ffi::OsString);
    Arg::new("server").long("server").value_parser(anything).hide(true)
}
