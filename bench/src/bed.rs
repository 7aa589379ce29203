//! What every row is measured on: the program, a disk, and how much time there is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use testkit::{Builder, DataDir, Server};

/// Where to measure, and how thoroughly.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    /// The program that is measured.
    pub(crate) cagent: PathBuf,
    /// As few measurements as show that measuring works.
    pub(crate) quick: bool,
    /// How many jobs run at one time.
    pub(crate) cores: usize,
    /// Whether the agent image is built too.
    pub(crate) builds_image: bool,
    /// The folder of what is built beside that.
    pub(crate) prototype: Option<PathBuf>,
}

impl Bed {
    /// # Errors
    /// When the program is not there.
    pub(crate) fn new(cagent: &Path, quick: bool) -> anyhow::Result<Self> {
        let cagent = std::path::absolute(cagent)?;
        let missing =
            || format!("{} is missing; run: cargo build --package cagent", cagent.display());
        ensure!(cagent.is_file(), missing());
        let cores = std::thread::available_parallelism().context("count the cores")?.get();
        Ok(Self { cagent, quick, cores, builds_image: false, prototype: None })
    }

    /// So many measurements, or a few.
    pub(crate) fn times(&self, usual: usize) -> usize {
        if self.quick { usual.min(3) } else { usual }
    }

    /// A server of its own.
    pub(crate) async fn server(&self) -> Server {
        self.server_on(&DataDir::new()).await
    }

    /// A server on this data directory.
    pub(crate) async fn server_on(&self, data: &DataDir) -> Server {
        self.builder(data).start().await
    }

    /// A server that can still be given arguments and variables. It logs what goes wrong only.
    pub(crate) fn builder(&self, data: &DataDir) -> Builder {
        Builder::new(&self.cagent)
            .data_dir(data)
            .env("RUST_LOG", "error")
            .env("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0")
            .env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0")
            .arg("--concurrency")
            .arg(self.cores.to_string())
    }
}
