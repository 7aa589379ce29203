//! Applies the layers of an image to a directory tree.
//!
//! Layers are hostile. Every name is made of plain parts beneath the root (`path`), every change is
//! made beneath an open directory that was reached without following a link (`tree`).
//! Not kept: set-uid and set-gid bits, extended attributes and with them capabilities, devices, pipes
//! and sockets.

mod path;
mod places;
mod tree;
mod whiteout;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::ImageError;
use crate::bounds::{Bounded, ENTRIES};
use crate::error::bad;
use crate::members::{self, Kind, Member, broken, shown};
use crate::source::{self, Layer, plain};
use tree::Tree;
use whiteout::Whiteout;

/// What came out of it.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) left_out: u64,
    /// Of the layer that was applied last.
    pub(crate) digest: String,
}

/// Applies layers, the lowest first, to what is to become the root directory.
pub(crate) fn unpack(layers: &[Layer], root: &Path) -> Result<Unpacked, ImageError> {
    let tree = Tree::open(root)?;
    let mut unpacked = Unpacked::default();
    for layer in layers {
        remove_hidden(&tree, layer)?;
        unpacked.digest = add(&tree, layer, &mut unpacked)?;
        if let Some(digest) = &layer.digest {
            source::expect("a layer", &unpacked.digest, digest)?;
        }
    }
    places::prepare(&tree)?;
    Ok(unpacked)
}

/// Removes what a layer hides of the ones below it, before anything of it is there.
fn remove_hidden(tree: &Tree, layer: &Layer) -> Result<(), ImageError> {
    let hide = |member: &Member, _: &mut dyn Read| match whiteout::of(&member.path)? {
        Some(Whiteout::Of(path)) => tree.remove(&path),
        Some(Whiteout::AllIn(path)) => tree.empty(&path),
        Some(Whiteout::Nothing) | None => Ok(()),
    };
    if layer.blob.is_compressed().map_err(broken)? {
        let stream = Bounded::new(plain(layer.blob.clone()).map_err(broken)?);
        return members::each(tar::Archive::new(stream).entries(), hide);
    }
    members::each(tar::Archive::new(layer.blob.clone()).entries_with_seek(), hide)
}

/// Adds what a layer has. Returns its digest.
fn add(tree: &Tree, layer: &Layer, unpacked: &mut Unpacked) -> Result<String, ImageError> {
    let stream = Bounded::new(plain(layer.blob.clone()).map_err(broken)?);
    let mut archive = tar::Archive::new(Hashed { inner: stream, hash: Sha256::new() });
    let mut directories = vec![];
    members::each(archive.entries(), |member, content| {
        if whiteout::of(&member.path)?.is_none() {
            directories.extend(put(tree, member, content, unpacked)?);
        }
        Ok(())
    })?;
    // Last, for what is put into a directory changes its time; the deepest first.
    for (path, modified) in directories.iter().rev() {
        tree.date(path, *modified)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    Ok(source::digest(&rest.hash.finalize()))
}

/// Puts one member where it belongs. Of a directory it returns what is left to do.
fn put(
    tree: &Tree,
    member: &Member,
    content: &mut dyn Read,
    unpacked: &mut Unpacked,
) -> Result<Option<(PathBuf, i64)>, ImageError> {
    let path = path::parse(&member.path)?;
    unpacked.entries += 1;
    if unpacked.entries > ENTRIES {
        return Err(bad(format!("it has more than {ENTRIES} files")));
    }
    match member.kind {
        Kind::Special => unpacked.left_out += 1,
        Kind::Directory => {
            tree.directory(&path, member)?;
            return Ok(Some((path, member.modified)));
        }
        _ if path.as_os_str().is_empty() => return Err(bad("its root is no directory")),
        Kind::File => unpacked.bytes += tree.file(&path, member, content)?,
        Kind::Symlink => tree.symlink(&path, member)?,
        Kind::HardLink => {
            let target = path::parse(&member.link)?;
            tree.link(&path, &target).map_err(|e| {
                bad(format!(
                    "{} cannot be linked to {}: {e}",
                    shown(&member.path),
                    shown(&member.link)
                ))
            })?;
        }
    }
    Ok(None)
}

/// Takes the digest of what it reads.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
