//! Chores of this repository that Cargo has no command for: `cargo xtask tidy`,
//! `cargo xtask openapi`. Not here: building and testing, which are the Makefile's.

mod openapi;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

/// Chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Checks the rules of the house that rustc and clippy do not know.
    Tidy,
    /// Writes the API's OpenAPI document, crates/api/openapi.json, anew from the code.
    Openapi,
}

fn main() -> anyhow::Result<ExitCode> {
    let root = workspace_root()?;
    match Chore::parse() {
        Chore::Tidy => tidy::run(&root),
        Chore::Openapi => openapi::write(&root),
    }
}

fn workspace_root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask/ is a folder of the workspace")?.to_path_buf())
}
