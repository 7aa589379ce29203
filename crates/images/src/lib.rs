//! Agent images without Docker: what `docker save`, `docker export`, an OCI layout or a plain tar
//! holds becomes a directory tree that the embedded engine can use.
//!
//! Not here: building an image (`image/`, `cagent image build`), mounting one (`engine-local`).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The images of one data directory.
#[derive(Clone, Debug)]
pub struct Images {
    home: PathBuf,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name, with its tag: `containerized-agent:latest`.
    pub name: String,
    /// What identifies its content.
    pub digest: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Variables its maker set, `PATH` among them.
    pub environment: Vec<(String, String)>,
    /// Its root directory on this machine.
    pub root: PathBuf,
}

/// What could not be done with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file could not be read or written.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Images {
    /// The images in this directory, which is made when it is first needed.
    #[must_use]
    pub fn open(home: &Path) -> Self {
        Self { home: home.into() }
    }

    /// The image of this name; `name` means `name:latest`.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn get(&self, _name: &str) -> Result<Option<Image>, ImageError> {
        let _ = &self.home;
        Ok(None)
    }
}
