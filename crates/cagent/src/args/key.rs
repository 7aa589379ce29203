//! The arguments of `cagent key`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use types::Scope;

use super::{examples, word};
use crate::value;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, this once
    #[command(after_help = examples::KEY_CREATE)]
    Create(KeyCreateArgs),
    /// List the keys, also those that work no more
    #[command(after_help = examples::KEY_LS)]
    Ls,
    /// Take keys back, from now on
    #[command(after_help = examples::KEY_REVOKE)]
    Revoke {
        /// Their ids: what stands after `cagent_` in each
        #[arg(required = true, value_parser = key_id)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreateArgs {
    /// Whose it is, for people
    pub(crate) name: String,
    /// What its holder may do: read (look and fetch), submit (and give jobs), operate (and steer,
    /// stop and delete them), admin (and make keys)
    #[arg(long, value_parser = scope, default_value = "submit",
        value_name = "read|submit|operate|admin")]
    pub(crate) scope: Scope,
    /// For how long it works, such as 12h or 30d, or until when, such as 2030-01-31T00:00:00Z
    /// [default: until it is revoked]
    #[arg(long, value_parser = value::expiry, allow_hyphen_values = true, value_name = "TIME")]
    pub(crate) expires: Option<Timestamp>,
}

fn scope(text: &str) -> Result<Scope, String> {
    word(text)
}

fn key_id(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| text.into()).ok_or("expected a key's id; `cagent key ls` lists them")
}
