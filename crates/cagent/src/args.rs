//! The command line. Every option that is also a variable says so; `settings` puts them together.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use types::Mode;

use crate::job_name::JobName;
use crate::limit::Limit;
use crate::settings::at_least_one;

/// Give a task; it is done in a sealed sandbox, live before your eyes, and ends in a ZIP.
#[derive(Debug, Parser)]
#[command(name = "cagent", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The server to use, such as http://127.0.0.1:8000. Without it: the one that runs on the data
    /// directory, else one within this process [env: CAGENT_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Where jobs are kept [env: CAGENT_DATA_DIR] [default: /var/lib/cagent for root, else
    /// ~/.local/share/cagent]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How to print
    #[arg(short = 'o', long, global = true, value_parser = format, default_value = "text",
        value_name = "text|json")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run one task and follow it; the exit code is its outcome
    Run(RunArgs),
    /// List the jobs, newest first
    Ps,
    /// Show one job
    Status(JobArgs),
    /// Print what a job wrote
    Logs(LogsArgs),
    /// Stop a job
    Cancel(JobArgs),
    /// Save a job's ZIP
    Download(DownloadArgs),
    /// Check what this machine can do
    Doctor(EngineArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; a loopback address, port 0 picks a free port [env: CAGENT_LISTEN] [default:
    /// 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// What makes sandboxes
    #[arg(long, value_enum, default_value_t = EngineName::Local)]
    pub(crate) engine: EngineName,
    #[command(flatten)]
    pub(crate) engine_args: EngineArgs,
    /// How many jobs run at one time [env: CAGENT_CONCURRENCY] [default: the number of cores]
    #[arg(long, value_parser = at_least_one, value_name = "JOBS")]
    pub(crate) concurrency: Option<NonZeroUsize>,
}

/// How the engine is set up.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EngineArgs {
    /// A directory of this machine that sandboxes see, read-only, at the same path; may be repeated
    /// [env: CAGENT_EXPOSE, separated by colons]
    #[arg(long, value_name = "PATH")]
    pub(crate) expose: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// The embedded engine
    Local,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The task: a file, `-` for standard input, or the text itself
    pub(crate) task: String,
    /// How to take it
    #[arg(long, value_parser = mode, default_value = "auto", value_name = "auto|runbook|agent")]
    pub(crate) mode: Mode,
    /// Save the ZIP here
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What the job may use, such as memory_bytes=512M or wall_seconds=5m; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<Limit>,
    /// Put dependency caches such as node_modules into the ZIP too
    #[arg(long)]
    pub(crate) include_caches: bool,
    #[command(flatten)]
    pub(crate) engine_args: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
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

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("expected text or json; a file to save to is named with --output"),
    }
}

/// The words are those of the API.
fn mode(text: &str) -> Result<Mode, serde_json::Error> {
    serde_json::from_value(text.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mode_is_a_word_of_the_api() {
        assert_eq!(mode("runbook").unwrap(), Mode::Runbook);
        assert!(mode("other").unwrap_err().to_string().contains("runbook"));
    }

    #[test]
    fn an_id_is_checked_before_anything_is_asked() {
        let error = Cli::try_parse_from(["cagent", "status", "../x"]).unwrap_err();
        assert!(error.to_string().contains("not a job id"), "{error}");
    }

    #[test]
    fn what_was_expected_is_said() {
        let error = |args: &[&str]| {
            let args = [&["cagent"], args].concat();
            Cli::try_parse_from(args).unwrap_err().to_string()
        };
        assert!(error(&["download", "-o", "x.zip", "abcd"]).contains("--output"));
        assert!(error(&["serve", "--concurrency", "0"]).contains("1 or more"));
        assert!(error(&["run", "--limit", "ram=1", "x"]).contains("memory_bytes"));
    }
}
