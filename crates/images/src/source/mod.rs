//! What an image came as: which layers it has, in which order, and what its maker set.
//!
//! | file | what |
//! |---|---|
//! | `blob` | a part of a file, decompressed |
//! | `container` | what holds the parts: an archive or a directory |
//! | `docker`, `oci` | two ways to say which parts make an image |
//! | `settings` | variables and labels |
//!
//! An archive that has neither of the two is a root file system itself.

mod blob;
mod container;
mod docker;
mod oci;
mod settings;

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use sha2::{Digest as _, Sha256};

pub(crate) use blob::{Blob, plain};
use container::Container;
pub(crate) use settings::Settings;

use crate::bounds::{Bounded, Budget, LAYERS};
use crate::error::{bad, io_error};
use crate::members::broken;
use crate::name::Name;
use crate::{ImageError, Source};

/// An image as it came.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The lowest first.
    pub(crate) layers: Vec<Layer>,
    pub(crate) settings: Settings,
    /// The digest of the settings, if it came with any.
    pub(crate) digest: Option<String>,
    /// What it is called where it comes from.
    pub(crate) name: Option<Name>,
}

/// A tar archive of what one step of a build changed.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) blob: Blob,
    /// `sha256:` and 64 digits, of what is in it once it is decompressed.
    pub(crate) digest: Option<String>,
}

/// Looks at what there is; `wanted` chooses among several. `scratch` has room for a copy.
pub(crate) fn open(
    source: Source<'_>,
    scratch: &Path,
    wanted: Option<&Name>,
    budget: &Budget,
) -> Result<Opened, ImageError> {
    let container = contain(source, scratch, budget)?;
    if let Some(text) = container.document("manifest.json")? {
        return docker::open(&container, &text, wanted);
    }
    if let Some(text) = container.document("index.json")? {
        return oci::open(&container, &text, wanted);
    }
    let blob = container.archive().ok_or_else(|| {
        bad("a directory must have the layout of an OCI image, with an index.json")
    })?;
    let layers = vec![Layer { blob, digest: None }];
    Ok(Opened { layers, settings: Settings::default(), digest: None, name: None })
}

fn contain(source: Source<'_>, scratch: &Path, budget: &Budget) -> Result<Container, ImageError> {
    let path = match source {
        Source::Stream(stream) => {
            return Container::archive_of(copy(stream, scratch, budget)?, budget);
        }
        Source::Path(path) => path,
    };
    let file = File::open(path).map_err(io_error("open", path))?;
    let kind = file.metadata().map_err(io_error("look at", path))?.file_type();
    if kind.is_dir() {
        return Ok(Container::Directory(path.into()));
    }
    if !kind.is_file() {
        return Container::archive_of(copy(file, scratch, budget)?, budget);
    }
    let blob = Blob::whole(file).map_err(io_error("look at", path))?;
    match blob.is_compressed().map_err(io_error("read", path))? {
        true => Container::archive_of(copy(blob, scratch, budget)?, budget),
        false => Container::archive_of(blob, budget),
    }
}

/// What is in a stream, in a file without a name: its parts are not in the order they are needed in.
fn copy(from: impl io::Read, scratch: &Path, budget: &Budget) -> Result<Blob, ImageError> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, scratch, flags, Mode::RUSR | Mode::WUSR);
    let mut file = File::from(file.map_err(io_error("create a file in", scratch))?);
    let mut from = Bounded { inner: plain(from).map_err(broken)?, budget };
    io::copy(&mut from, &mut file).map_err(io_error("copy the image to", scratch))?;
    Blob::whole(file).map_err(io_error("look at a copy in", scratch))
}

/// The layers of an image, each with the digest that its settings say.
fn layers(blobs: Vec<Blob>, digests: &[String]) -> Result<Vec<Layer>, ImageError> {
    if blobs.len() > LAYERS {
        return Err(bad(format!("it has {} layers, more than {LAYERS}", blobs.len())));
    }
    if blobs.len() != digests.len() {
        let (has, knows) = (blobs.len(), digests.len());
        return Err(bad(format!("it has {has} layers, its settings know {knows}")));
    }
    let digests = digests.iter().cloned().map(Some);
    Ok(blobs.into_iter().zip(digests).map(|(blob, digest)| Layer { blob, digest }).collect())
}

/// The digest of something small.
fn digest_of(bytes: &[u8]) -> String {
    digest(&Sha256::digest(bytes))
}

/// A digest as it is written.
pub(crate) fn digest(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The digits of a digest; nothing else ever becomes part of a path.
fn hex(digest: &str) -> Result<&str, ImageError> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())).ok_or_else(|| {
        bad(format!("{:?} is no sha256 digest", digest.chars().take(80).collect::<String>()))
    })
}

/// Refuses what is not what its digest says.
pub(crate) fn expect(what: &str, found: &str, digest: &str) -> Result<(), ImageError> {
    if found == digest {
        return Ok(());
    }
    Err(bad(format!("{what} is damaged: its digest is {found}, it should be {digest}")))
}
