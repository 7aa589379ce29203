//! Agent images without Docker: what `docker save`, `docker export`, an OCI layout or a plain tar
//! holds becomes a directory tree that the embedded engine can use.
//!
//! ```text
//! source     what it came as      tar or directory, compressed or not; which layers, which settings
//! unpack     layers → one tree    hostile input: nothing is followed, nothing outside is touched
//! store      trees and names      a tree without a name, that nobody holds, is swept
//! ```
//!
//! **Invariant:** a name leads to a tree that is whole and on the disk, or to none.
//! Not here: building an image (`image/`, `cagent image build`), mounting one (`engine-local`).

mod bounds;
mod error;
mod import;
mod members;
mod name;
mod source;
mod store;
mod unpack;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use error::ImageError;
use name::Name;

/// The images of one data directory.
#[derive(Clone, Debug)]
pub struct Images {
    home: PathBuf,
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name, with its tag: `containerized-agent:latest`.
    pub name: String,
    /// What identifies its content: `sha256:` and 64 digits. Of an image with settings it is theirs,
    /// as Docker has it; else that of the archive.
    pub digest: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Variables its maker set, `PATH` among them.
    pub environment: Vec<(String, String)>,
    /// What its maker noted on it.
    pub labels: BTreeMap<String, String>,
    /// Its root directory on this machine.
    pub root: PathBuf,
}

/// What an image is imported from.
#[expect(missing_debug_implementations, reason = "a stream has none")]
pub enum Source<'a> {
    /// An archive, or the directory of an OCI layout.
    Path(&'a Path),
    /// An archive that comes along.
    Stream(&'a mut dyn Read),
}

/// An image that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// It.
    pub image: Image,
    /// How many files, directories and links it has.
    pub entries: u64,
    /// How many devices, pipes and sockets were left out.
    pub left_out: u64,
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
    /// When it is no name of an image, or what is there cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Image>, ImageError> {
        store::find(&self.home, &Name::parse(name)?)
    }

    /// All there are, by name.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        store::list(&self.home)
    }

    /// Removes the image of this name; whether there was one.
    ///
    /// # Errors
    /// When a sandbox uses it, it is no name of an image, or its files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, ImageError> {
        store::remove(&self.home, &Name::parse(name)?)
    }

    /// Unpacks an image and gives it this name, or the one it came with, or
    /// `containerized-agent:latest`. Until it is whole and on the disk the name means what it did;
    /// sandboxes that are there keep what they have.
    ///
    /// # Errors
    /// When it is no image, or more than one; when it is damaged; when it is larger than an image
    /// may be; when a file cannot be read or written. Nothing of it is left then.
    pub fn import(&self, source: Source<'_>, name: Option<&str>) -> Result<Imported, ImageError> {
        import::import(&self.home, source, name)
    }
}

/// Keeps the tree with this root directory from being removed, as long as the file is open, also in
/// another process.
///
/// # Errors
/// When it is gone, or about to go.
pub fn hold(root: &Path) -> io::Result<File> {
    store::hold(root.parent().unwrap_or(root))
}
