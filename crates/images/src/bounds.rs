//! How much an image may be: far above honest ones, far below what would hurt.

use std::cell::Cell;
use std::io::{self, Read};

use crate::ImageError;
use crate::error::bad;

/// Bytes that are read of an image, unpacked, each time they are: a compressed layer is read twice. The
/// full agent image has 2 GB.
const BYTES: u64 = 64 << 30;

/// Files, directories, links and whiteouts, each time they are read. The full agent image has 60,000.
const ENTRIES: u64 = 4_000_000;

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

/// Bytes of the names of a layer's directories, which are kept to its end. The full agent image has
/// half a MiB of them.
pub(crate) const DIRECTORIES_BYTES: usize = 64 << 20;

/// What is left of the bounds of one image, in all its layers and all passes over them.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: Cell<u64>,
    entries: Cell<u64>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { bytes: BYTES.into(), entries: ENTRIES.into() }
    }

    /// Takes one entry.
    pub(crate) fn entry(&self) -> Result<(), ImageError> {
        let left = self.entries.get().checked_sub(1);
        self.entries.set(left.ok_or_else(|| {
            bad(format!(
                "it has more than {ENTRIES} files in all its layers, read as often as it takes"
            ))
        })?);
        Ok(())
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.bytes.get().checked_sub(bytes as u64);
        self.bytes.set(left.ok_or_else(|| {
            let most = BYTES >> 30;
            io::Error::other(format!(
                "it has more than {most} GiB in all its layers, read as often as it takes"
            ))
        })?);
        Ok(())
    }
}

/// Reads no more than the budget has, however little of it was compressed.
pub(crate) struct Bounded<'a, R> {
    pub(crate) inner: R,
    pub(crate) budget: &'a Budget,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.budget.take(read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_read_takes_of_one_budget() {
        let budget = Budget { bytes: 10.into(), entries: 2.into() };
        let read = |bytes: &[u8]| {
            io::copy(&mut Bounded { inner: bytes, budget: &budget }, &mut io::sink())
        };
        assert_eq!(read(b"123456").unwrap(), 6);
        assert_eq!(read(b"1234").unwrap(), 4);
        assert!(read(b"1").is_err());
        assert!(budget.entry().is_ok() && budget.entry().is_ok() && budget.entry().is_err());
    }
}
