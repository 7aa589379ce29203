//! Looking at a workspace: what is in a directory, what is in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;
use jiff::Timestamp;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use types::delivery;

use crate::name;
use crate::path::WorkspacePath;
use crate::tree::Tree;

/// What is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its entries, in order of their names.
    pub entries: Vec<FileEntry>,
    /// How many more there are.
    pub more: u64,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, spelled as in the ZIP.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// How large a file is, in bytes; 0 for all else.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; it is never followed.
    Link,
    /// A device, a socket, a FIFO.
    Other,
}

/// The bytes of one file. Reading is not for an async task's own thread.
#[derive(Debug)]
pub struct Content {
    /// How many there were when it was opened; reading gives no more.
    pub bytes: u64,
    /// When they were last changed.
    pub modified: Timestamp,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Plain(io::Take<File>),
    Deflated(Box<DeflateDecoder<io::Take<File>>>),
}

/// Why a file or a directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is nothing of this name, or only behind a link or a mount point.
    #[error("there is no such file")]
    NoSuchFile,
    /// It is a directory, a link or a device.
    #[error("it is no regular file")]
    NotAFile,
    /// It is no directory.
    #[error("it is no directory")]
    NotADirectory,
    /// The system refused. Not transparent: that would hide it as a source.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for AccessError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG => {
                Self::NoSuchFile
            }
            Errno::ISDIR | Errno::NXIO | Errno::NOTEMPTY | Errno::EXIST => Self::NotAFile,
            errno => Self::Io(errno.into()),
        }
    }
}

impl Tree<'_> {
    /// What is in a directory; at most `most` entries are looked at.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn list(&self, directory: &WorkspacePath, most: usize) -> Result<Listing, AccessError> {
        let path = directory.as_bytes();
        let (_, stat) = self.look(path)?;
        if kind(&stat) != FileKind::Directory {
            return Err(AccessError::NotADirectory);
        }
        let names = self.names(path, most)?;
        let shown = |name: &&Vec<u8>| !is_ours(path, name);
        let entries = names.first.iter().filter(shown).filter_map(|name| self.entry(path, name));
        Ok(Listing { entries: entries.collect(), more: names.more })
    }

    /// None if it is gone meanwhile, or cannot be looked at.
    fn entry(&self, directory: &[u8], name: &[u8]) -> Option<FileEntry> {
        let (_, stat) = self.look(&join(directory, name)).ok()?;
        let kind = kind(&stat);
        let bytes = if kind == FileKind::File { size(&stat) } else { 0 };
        Some(FileEntry { name: name::escape(name), kind, bytes, modified: modified(&stat) })
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn read(&self, path: &WorkspacePath) -> Result<Content, AccessError> {
        // Looked at first: opening a device could do something.
        let (_, stat) = self.look(path.as_bytes())?;
        if kind(&stat) != FileKind::File {
            return Err(AccessError::NotAFile);
        }
        let (file, stat) = self.file(path.as_bytes())?.ok_or(AccessError::NotAFile)?;
        Ok(Content::plain(file, size(&stat), modified(&stat)))
    }
}

impl Content {
    pub(crate) fn plain(file: File, bytes: u64, modified: Timestamp) -> Self {
        Self { bytes, modified, source: Source::Plain(file.take(bytes)) }
    }

    /// `file` stands where `packed` compressed bytes begin.
    pub(crate) fn deflated(file: File, packed: u64, bytes: u64, modified: Timestamp) -> Self {
        let source = Source::Deflated(Box::new(DeflateDecoder::new(file.take(packed))));
        Self { bytes, modified, source }
    }

    /// Leaves out the next `count` bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        match &mut self.source {
            Source::Plain(file) => {
                let count = count.min(file.limit());
                file.get_mut().seek(SeekFrom::Current(count.cast_signed()))?;
                file.set_limit(file.limit() - count);
                Ok(())
            }
            Source::Deflated(from) => io::copy(&mut from.take(count), &mut io::sink()).map(drop),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Plain(file) => file.read(buffer),
            Source::Deflated(from) => from.read(buffer),
        }
    }
}

/// Whether an entry is not the job's: what the ZIP does not have either.
fn is_ours(directory: &[u8], name: &[u8]) -> bool {
    directory.is_empty() && delivery::is_reserved(name) || delivery::is_unfinished(name)
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
}

fn modified(stat: &Stat) -> Timestamp {
    Timestamp::from_second(stat.st_mtime).unwrap_or_default()
}
