//! The arguments of `cagent image`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::examples;

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Have the Docker daemon build one
    #[command(after_help = examples::IMAGE_BUILD)]
    Build(ImageBuildArgs),
    /// Unpack one for the embedded engine, which needs no Docker for it
    #[command(after_help = examples::IMAGE_IMPORT)]
    Import(ImageImportArgs),
    /// List those there are
    #[command(after_help = examples::IMAGE_LS)]
    Ls,
    /// Remove some of those that were imported; `docker rmi` removes Docker's
    #[command(after_help = examples::IMAGE_RM)]
    Rm {
        /// Their names
        #[arg(required = true, value_name = "NAME:TAG")]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImageImportArgs {
    /// What `docker save` or `docker export` wrote, a tar of a root file system, or an OCI layout;
    /// gzip and zstd are understood; - reads it from standard input
    pub(crate) source: PathBuf,
    /// Its name; of several images in it the one of this name is taken [default: the one it comes
    /// with, or containerized-agent:latest]
    #[arg(long, value_name = "NAME:TAG")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageBuildArgs {
    /// How much it has: core (shell, compilers, Python, Node), desktop (and a screen) or full (and
    /// Chromium and Jupyter Lab)
    #[arg(
        long,
        value_enum,
        default_value = "full",
        hide_possible_values = true,
        value_name = "core|desktop|full"
    )]
    pub(crate) target: ImageTarget,
    /// Its name [default: that of AGENT_IMAGE, containerized-agent:latest]
    #[arg(long, value_name = "NAME:TAG")]
    pub(crate) tag: Option<String>,
    /// What it is made from, a Debian [default: debian:trixie-slim; where that can neither be found
    /// nor pulled it is made here with mmdebstrap]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    /// A certificate that it shall trust, PEM, or a bundle of them; may be repeated [default: those
    /// that were added to this machine]
    #[arg(long = "ca", value_name = "FILE")]
    pub(crate) authorities: Vec<PathBuf>,
    /// Make every layer again
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// The targets of `image/Dockerfile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImageTarget {
    Core,
    Desktop,
    Full,
}

impl ImageTarget {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Desktop => "desktop",
            Self::Full => "full",
        }
    }
}
