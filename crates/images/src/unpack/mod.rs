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

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::ImageError;
use crate::bounds::{Bounded, Budget, DIRECTORIES_BYTES};
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
pub(crate) fn unpack(
    layers: &[Layer],
    root: &Path,
    budget: &Budget,
) -> Result<Unpacked, ImageError> {
    let tree = Tree::open(root)?;
    let mut unpacked = Unpacked::default();
    for layer in layers {
        remove_hidden(&tree, layer, budget)?;
        unpacked.digest = add(&tree, layer, &mut unpacked, budget)?;
        if let Some(digest) = &layer.digest {
            source::expect("a layer", &unpacked.digest, digest)?;
        }
    }
    places::prepare(&tree)?;
    Ok(unpacked)
}

/// Removes what a layer hides of the ones below it, before anything of it is there.
fn remove_hidden(tree: &Tree, layer: &Layer, budget: &Budget) -> Result<(), ImageError> {
    let hide = |member: &Member, _: &mut dyn Read| match whiteout::of(&member.path)? {
        Some(Whiteout::Of(path)) => tree.remove(&path),
        Some(Whiteout::AllIn(path)) => tree.empty(&path),
        Some(Whiteout::Nothing) | None => Ok(()),
    };
    if layer.blob.is_compressed().map_err(broken)? {
        let stream = Bounded { inner: plain(layer.blob.clone()).map_err(broken)?, budget };
        return members::each(tar::Archive::new(stream).entries(), budget, hide);
    }
    members::each(tar::Archive::new(layer.blob.clone()).entries_with_seek(), budget, hide)
}

/// Adds what a layer has. Returns its digest.
fn add(
    tree: &Tree,
    layer: &Layer,
    unpacked: &mut Unpacked,
    budget: &Budget,
) -> Result<String, ImageError> {
    let stream = Bounded { inner: plain(layer.blob.clone()).map_err(broken)?, budget };
    let mut archive = tar::Archive::new(Hashed { inner: stream, hash: Sha256::new() });
    let mut directories = Directories::default();
    members::each(archive.entries(), budget, |member, content| {
        match whiteout::of(&member.path)? {
            Some(_) => Ok(()),
            None => put(tree, member, content, unpacked, &mut directories),
        }
    })?;
    // Last, for what is put into a directory changes its time; the deepest first.
    for (path, modified) in directories.dates.iter().rev() {
        tree.date(path, *modified)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    Ok(source::digest(&rest.hash.finalize()))
}

/// Directories of a layer, and the times that they are given in the end.
#[derive(Default)]
struct Directories {
    dates: BTreeMap<PathBuf, i64>,
    /// Of their names.
    bytes: usize,
}

impl Directories {
    fn insert(&mut self, path: PathBuf, modified: i64) -> Result<(), ImageError> {
        let length = path.as_os_str().len();
        if self.dates.insert(path, modified).is_none() {
            self.bytes += length;
        }
        if self.bytes > DIRECTORIES_BYTES {
            let most = DIRECTORIES_BYTES >> 20;
            return Err(bad(format!(
                "names of directories in one layer take more than {most} MiB"
            )));
        }
        Ok(())
    }
}

/// Puts one member where it belongs.
fn put(
    tree: &Tree,
    member: &Member,
    content: &mut dyn Read,
    unpacked: &mut Unpacked,
    directories: &mut Directories,
) -> Result<(), ImageError> {
    let path = path::parse(&member.path)?;
    unpacked.entries += 1;
    match member.kind {
        Kind::Special => unpacked.left_out += 1,
        Kind::Directory => {
            tree.directory(&path, member)?;
            directories.insert(path, member.modified)?;
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
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_directories_are_kept_once_and_not_without_end() {
        let mut directories = Directories::default();
        for time in 0..3 {
            directories.insert("same".into(), time).unwrap();
        }
        assert_eq!((directories.dates.len(), directories.bytes), (1, 4));
        assert_eq!(directories.dates[Path::new("same")], 2);
        let long = |n: u32| PathBuf::from(format!("{n:05}{}", "x".repeat(3995)));
        let refused = (0..20_000).find(|n| directories.insert(long(*n), 0).is_err());
        assert_eq!(refused, Some(16_777), "64 MiB of names");
    }
}
