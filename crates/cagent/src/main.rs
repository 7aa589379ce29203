//! `cagent`: the command line, the settings, and the one place where everything is put together.
//!
//! ```text
//! main ─► args ─► settings
//!           └─► commands ─► place: which server? ─┬─► client ─HTTP─► a server that runs
//!                                                 └─► server: one of our own, in this process
//! ```
//!
//! Invariant: every command that deals with jobs does so through [`client`], over HTTP, also to a
//! server in this process. Not here: what a job is and does (crate `jobs`).

mod args;
mod claim;
mod client;
mod commands;
mod complaint;
#[cfg(test)]
mod docs;
mod follow;
mod input;
mod job_name;
mod key;
mod limit;
mod listener;
mod lockfile;
mod log;
mod machine;
mod mcp;
mod output;
mod patient;
mod place;
mod ports;
mod progress;
mod screen;
mod server;
mod settings;
mod shell;
mod signals;
mod spot;
mod sse;
mod text;
mod tools;
mod unheard;
mod value;

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use args::{Cli, Command};
use log::LogFormat;
use settings::{Settings, Sources};

/// What `cagent` exits with when it could not do what it was told: 1 is left to jobs that failed.
const EXIT_FAILURE: u8 = 2;

/// What a shell reports for a program that was ended by SIGPIPE.
const EXIT_PIPE: u8 = 141;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        // Whoever was reading has enough: `cagent ps | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(EXIT_PIPE),
        Err(error) => {
            complaint::say(&complaint::of(&error));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let sources = Sources::read(cli.flags(), std::env::vars_os(), ".env".as_ref())?;
    let settings = Settings::new(&sources)?;
    let usual = if matches!(cli.command, Command::Serve(_)) { "info" } else { "warn" };
    log::begin(settings.log.as_deref().unwrap_or(usual), settings.log_format)?;
    sources.warnings().iter().for_each(|warning| match settings.log_format {
        LogFormat::Text => complaint::say(warning),
        LogFormat::Json => tracing::warn!("{warning}"),
    });
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let code = runtime.block_on(commands::run(cli, settings, &sources));
    // A read of standard input cannot be taken back; nobody waits for it.
    runtime.shutdown_background();
    code
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
