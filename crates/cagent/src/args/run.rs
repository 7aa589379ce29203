//! The arguments of `cagent run`.

use std::path::PathBuf;

use clap::Args;
use types::{Mode, Network};

use super::{EngineArgs, word};
use crate::input::{Input, Variable};
use crate::limit::Limit;
use crate::settings::EngineName;
use crate::value;

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

fn mode(text: &str) -> Result<Mode, String> {
    word(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_a_word_of_the_api() {
        assert_eq!(mode("runbook").unwrap(), Mode::Runbook);
        assert_eq!(mode("other").unwrap_err(), "expected one of auto, agent, runbook");
    }
}
