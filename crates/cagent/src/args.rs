//! The command line. Options that are settings are taken as they are; `settings` reads them.

mod image;
mod key;
mod look;

use std::ffi::{OsStr, OsString};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Arg, Args, Parser, Subcommand};
pub(crate) use image::{ImageBuildArgs, ImageCommand, ImageImportArgs};
pub(crate) use key::{KeyCommand, KeyCreateArgs};
pub(crate) use look::{
    CompletionsArgs, DiffArgs, DownloadArgs, FilesArgs, LogsArgs, Sort, TopArgs, WatchArgs,
};
use serde::de::DeserializeOwned;
use types::{JobStatus, Mode, Network};

use crate::input::{Input, Variable};
use crate::job_name::JobName;
use crate::limit::Limit;
use crate::settings::{EngineName, Flags};
use crate::spot::Spot;
use crate::value;

/// Give a task; it is done in a sealed sandbox, live before your eyes, and ends in a ZIP.
#[derive(Debug, Parser)]
#[command(name = "cagent", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the options of every command stand in a command's help: behind its own.
const LAST: usize = 900;

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The server to use, such as http://127.0.0.1:8000. Without it: the one that runs on the data
    /// directory, else one within this process [env: CAGENT_SERVER]
    #[arg(long, global = true, value_name = "URL", display_order = LAST)]
    pub(crate) server: Option<OsString>,
    /// Where jobs are kept [env: CAGENT_DATA_DIR] [default: /var/lib/cagent for root, else
    /// ~/.local/share/cagent]
    #[arg(long, global = true, value_name = "DIR", display_order = LAST)]
    pub(crate) data_dir: Option<OsString>,
    /// The settings file [env: CAGENT_CONFIG] [default: cagent.toml in the data directory, else
    /// /etc/cagent/cagent.toml for root, ~/.config/cagent/cagent.toml for others]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    pub(crate) config: Option<OsString>,
    /// How to print
    #[arg(short = 'o', long, global = true, value_parser = format, default_value = "text",
        value_name = "text|json", display_order = LAST)]
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
    #[command(arg = no_server())]
    Serve(ServeArgs),
    /// Run one task and follow it; the exit code is its outcome
    #[command(
        after_help = "Examples:\n  cagent run 'write a script that prints primes' --output primes.zip\n  cagent run task.md --file data.csv --network none\n  cagent run - --limit wall_seconds=5m < task.md"
    )]
    Run(RunArgs),
    /// List the jobs, newest first
    Ps(PsArgs),
    /// Show one job
    Status(JobArgs),
    /// Print what a job wrote
    #[command(
        after_help = "Examples:\n  cagent logs -f 0d351f3c\n  cagent logs --stderr 0d351f3c > errors.txt"
    )]
    Logs(LogsArgs),
    /// See all jobs, or one, on the whole screen while things happen
    #[command(
        after_help = "Examples:\n  cagent watch\n  cagent watch 0d351f3c\n\nKeys: j k Enter Esc to move, c cancel, s say, a approve, r reject, d download, o desktop, q leave"
    )]
    Watch(WatchArgs),
    /// Show what the jobs that run use
    #[command(after_help = "Examples:\n  cagent top --sort memory\n  cagent top -o json")]
    Top(TopArgs),
    /// Show which files a job made, changed and removed
    #[command(
        after_help = "Examples:\n  cagent diff 0d351f3c\n  cagent diff --stat --base ./src 0d351f3c"
    )]
    Diff(DiffArgs),
    /// Say something to the agent of a job; it hears it at its next turn
    Say(SayArgs),
    /// Let the step run that a job waits with, or reject it
    Approve(ApproveArgs),
    /// Open a shell beside a running job, in its sandbox; Enter ~ . leaves it if it hangs
    Attach(JobArgs),
    /// Run a program beside a running job, in its sandbox; its exit code is this one's
    Exec(ExecArgs),
    /// Print a link into a running job, for one use in a browser: to its desktop, to Jupyter Lab, or to
    /// what it serves on a port
    Open(OpenArgs),
    /// Bring the desktop of a running job to a port of this machine, for VNC programs
    Vnc(VncArgs),
    /// Stop a job
    Cancel(JobArgs),
    /// Go on after a job that lost its sandbox, in its workspace, and show the job that does
    Resume(JobArgs),
    /// Save a job's ZIP
    Download(DownloadArgs),
    /// List the files of a job, while it runs or after
    Files(FilesArgs),
    /// Copy one file out of a job, or into one that is not over
    Cp(CpArgs),
    /// Forget jobs that are over, with all their files
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
    #[command(arg = no_server())]
    Backup(BackupArgs),
    /// Put a backup into a new data directory, for a server to start on
    #[command(arg = no_server())]
    Restore(BackupArgs),
    /// Check what this machine can do
    #[command(arg = no_server())]
    Doctor(EnginesArgs),
    /// Let an assistant give, follow, steer and fetch jobs, by the Model Context Protocol on standard
    /// input and output
    Mcp,
    /// Show every setting, its value and who decided it
    Config(ServeArgs),
    /// Print what makes a shell complete commands, options and the ids of jobs
    #[command(
        after_help = "Examples:\n  source <(cagent completions bash)\n  cagent completions fish > ~/.config/fish/completions/cagent.fish"
    )]
    #[command(arg = no_server())]
    Completions(CompletionsArgs),
}

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
    /// What the job may reach: nothing, the public internet, or these domains (*.example.org: every
    /// name below) [default: what the server's operator chose]
    #[arg(long, value_parser = value::network::<str>, value_name = "none|open|DOMAIN,...")]
    pub(crate) network: Option<Network>,
    /// A variable for the job's commands; without a value the one it has here; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) environment: Vec<Variable>,
    /// A file for the job's workspace, as INSIDE or under its own name; may be repeated
    #[arg(long = "file", value_name = "PATH[=INSIDE]")]
    pub(crate) files: Vec<Input>,
    /// Whoever repeats a call with the same key and the same task gets the same job, not another
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Which model is asked first: a provider such as gemini, or PROVIDER/MODEL [default: the
    /// server's order]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Wait before every step until it is approved: here at the terminal, or by `cagent approve`
    #[arg(long)]
    pub(crate) approve: bool,
    /// Put dependency caches such as node_modules into the ZIP too
    #[arg(long)]
    pub(crate) include_caches: bool,
    /// Which engine makes its sandbox: local or docker [default: the server's first]
    #[arg(long, value_parser = value::engine, value_name = "NAME")]
    pub(crate) engine: Option<EngineName>,
    /// The image of its sandbox, such as containerized-agent:latest [default: the engine's]
    #[arg(long, value_name = "NAME:TAG")]
    pub(crate) image: Option<String>,
    /// Start its desktop at once, for programs that show something from the first step on
    #[arg(long)]
    pub(crate) desktop: bool,
    #[command(flatten)]
    pub(crate) engine_args: EngineArgs,
}

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
pub(crate) struct CpArgs {
    /// JOB:PATH, or a file here
    pub(crate) from: Spot,
    /// JOB:PATH, or a file or directory here; `-` for standard output
    pub(crate) to: Spot,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Their ids, or at least 4 characters of the beginning or the end of each
    #[arg(required = true)]
    pub(crate) jobs: Vec<JobName>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The directory of the backup
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id, or at least 4 characters of its beginning or its end
    pub(crate) job: JobName,
}

impl Cli {
    /// The settings among the options.
    pub(crate) fn flags(&self) -> Flags {
        let (serve, engines) = match &self.command {
            Command::Serve(args) | Command::Config(args) => (Some(args), Some(&args.engines)),
            Command::Doctor(args) => (None, Some(args)),
            _ => (None, None),
        };
        let expose = match &self.command {
            Command::Run(args) => &*args.engine_args.expose,
            _ => engines.map_or(&[][..], |engines| &engines.setup.expose),
        };
        let expose = (!expose.is_empty()).then(|| expose.join(OsStr::new(":")));
        let all = [
            ("config", self.global.config.clone()),
            ("server", self.global.server.clone()),
            ("data_dir", self.global.data_dir.clone()),
            ("listen", serve.and_then(|args| args.listen.clone())),
            ("engine", engines.and_then(|engines| engines.engine.clone())),
            ("concurrency", serve.and_then(|args| args.concurrency.clone())),
            ("drain", serve.and_then(|args| args.drain.clone())),
            ("log_format", serve.and_then(|args| args.log_format.clone())),
            ("expose", expose),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// `--server`, which stands for every command, is not offered where it has no meaning. Given all the
/// same it is refused with what to do instead, which clap cannot say.
fn no_server() -> Arg {
    Arg::new("server").long("server").value_parser(clap::value_parser!(OsString)).hide(true)
}

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("expected text or json; a file to save to is named with --output"),
    }
}

fn status(text: &str) -> Result<JobStatus, String> {
    word(text)
}

fn mode(text: &str) -> Result<Mode, String> {
    word(text)
}

/// A word of the API; for one that is none, those there are.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|e| {
        let said = e.to_string().replace('`', "");
        said.split_once(", expected ").map_or(said.clone(), |(_, all)| format!("expected {all}"))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::settings;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mode_is_a_word_of_the_api() {
        assert_eq!(mode("runbook").unwrap(), Mode::Runbook);
        assert_eq!(mode("other").unwrap_err(), "expected one of auto, agent, runbook");
    }

    #[test]
    fn statuses_are_words_of_the_api() {
        let cli = Cli::try_parse_from(["cagent", "ps", "--status", "running,error"]).unwrap();
        let Command::Ps(args) = cli.command else { panic!("{cli:?}") };
        assert_eq!(args.statuses, [JobStatus::Running, JobStatus::Error]);
        let error = Cli::try_parse_from(["cagent", "ps", "--status", "done"]).unwrap_err();
        assert!(error.to_string().contains("complete"), "{error}");
    }

    /// Else a setting would be shown with a flag that is none, or could not be set by its own.
    #[test]
    fn every_flag_of_a_setting_is_an_option_that_reaches_it() {
        for setting in settings::all() {
            let Some(flag) = setting.flag else { continue };
            let cli = Cli::try_parse_from(["cagent", "config", flag, "some value"]).unwrap();
            let flags = cli.flags();
            assert_eq!(flags.len(), 1, "{flag}");
            assert_eq!(flags[setting.key], "some value", "{flag}");
            let config = Cli::command();
            let config = config.find_subcommand("config").unwrap().clone();
            let all = Cli::command();
            let option = all
                .get_arguments()
                .chain(config.get_arguments())
                .find(|option| option.get_long().is_some_and(|long| format!("--{long}") == flag));
            let help = option.and_then(|option| option.get_help()).unwrap().to_string();
            assert!(help.contains(&format!("[env: {}", setting.variable)), "{flag}: {help}");
        }
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
        assert!(error(&["run", "--limit", "ram=1", "x"]).contains("memory_bytes"));
        assert!(error(&["run", "--engine", "podman", "x"]).contains("expected local or docker"));
        assert!(error(&["key", "create", "x", "--expires", "-1d"]).contains("30d"));
        let scope = error(&["key", "create", "x", "--scope", "god"]);
        assert!(scope.contains("expected one of read, submit"), "{scope}");
    }
}
