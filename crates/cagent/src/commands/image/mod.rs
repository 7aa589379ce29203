//! `cagent image`: makes agent images, and says which there are.
//!
//! | file | what |
//! |---|---|
//! | `build` | has a Docker daemon make one |
//! | `base` | what it is made from, where nothing can be pulled too |
//! | `context` | what the daemon is sent for it |
//! | `authorities` | the certificates that it shall trust |
//! | `daemon` | the connection |
//! | `import` | has one unpacked for the embedded engine |
//! | `ls` | what there is |
//! | `rm` | has imported ones removed |
//!
//! Not here: what an image holds (`image/` of the repository), how one is unpacked (crate `images`).

mod authorities;
mod base;
mod build;
mod context;
mod daemon;
mod import;
mod ls;
mod rm;

use std::process::ExitCode;

use crate::args::{Format, ImageCommand};
use crate::settings::Settings;

pub(crate) use ls::{Listed, of};

pub(super) async fn image(
    command: ImageCommand,
    settings: &Settings,
    format: Format,
) -> anyhow::Result<ExitCode> {
    match command {
        ImageCommand::Build(args) => build::build(args, settings, format).await,
        ImageCommand::Import(args) => import::import(args, settings, format).await,
        ImageCommand::Ls => ls::ls(settings, format).await,
        ImageCommand::Rm { names } => rm::rm(names, settings, format).await,
    }
}
