//! How much an image may be: far above honest ones, far below what would hurt.

use std::io::{self, Read};

/// Bytes that an image has when it is unpacked; the full agent image has 2 GB.
const BYTES: u64 = 64 << 30;

/// Files, directories and links of an image in all its layers; the full agent image has 60,000.
pub(crate) const ENTRIES: u64 = 4_000_000;

/// Layers of an image. Docker stops at 127.
pub(crate) const LAYERS: usize = 512;

/// Bytes of a manifest, of settings, of the name of one file and what else describes it.
pub(crate) const DOCUMENT_BYTES: u64 = 4 << 20;

/// The kernel's bounds of a path and of one name in it, in bytes.
pub(crate) const PATH_BYTES: usize = 4095;
pub(crate) const NAME_BYTES: usize = 255;

/// How deep a file may lie. The kernel's bound is half of [`PATH_BYTES`]; packages of Node in
/// packages of Node reach 40.
pub(crate) const DEPTH: usize = 128;

/// Variables of an image, and the bytes of all of them.
pub(crate) const VARIABLES: usize = 256;
pub(crate) const VARIABLE_BYTES: usize = 64 << 10;

/// Reads no more than an image may have, however little of it was compressed.
pub(crate) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, left: BYTES }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it has more than {} GiB when it is unpacked", BYTES >> 30))
        })?;
        Ok(read)
    }
}
