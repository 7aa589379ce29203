//! The command line. Options that are settings are taken as they are; `settings` reads them.

mod beside;
mod command;
mod examples;
mod files;
mod image;
mod key;
mod look;
mod run;
mod serve;

use std::ffi::{OsStr, OsString};

use clap::{Args, Parser};
use serde::de::DeserializeOwned;

pub(crate) use beside::{ApproveArgs, ExecArgs, OpenArgs, SayArgs, VncArgs, What};
pub(crate) use command::{Command, CompletionsArgs, JobArgs};
pub(crate) use files::{CpArgs, DiffArgs, DownloadArgs, FilesArgs};
pub(crate) use image::{ImageBuildArgs, ImageCommand, ImageImportArgs};
pub(crate) use key::{KeyCommand, KeyCreateArgs};
pub(crate) use look::{LogsArgs, PsArgs, Sort, TopArgs, WatchArgs};
pub(crate) use run::RunArgs;
pub(crate) use serve::{BackupArgs, EngineArgs, EnginesArgs, ServeArgs};

use crate::settings::Flags;

/// Give a task; it is done in a sealed sandbox, live before your eyes, and ends in a ZIP.
#[derive(Debug, Parser)]
#[command(name = "cagent", version, max_term_width = 100, after_help = examples::CAGENT)]
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

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("expected text or json; a file to save to is named with --output"),
    }
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

    use types::JobStatus;

    use super::*;
    use crate::settings;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
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
