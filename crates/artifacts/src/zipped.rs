//! Looking into a ZIP that [`crate::pack()`] wrote, as into the workspace it was made from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::{CompressionMethod, DateTime, ZipArchive};

use crate::access::{AccessError, Content, FileEntry, FileKind, Listing};
use crate::path::WorkspacePath;
use types::delivery::RESERVED;

/// A ZIP, opened to be looked into.
#[derive(Debug)]
pub struct Zipped(ZipArchive<BufReader<File>>);

impl Zipped {
    /// Opens a ZIP and reads what it has.
    ///
    /// # Errors
    /// [`AccessError::NoSuchFile`] when it is not there (any more), others when it is no ZIP.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => AccessError::NoSuchFile,
            _ => e.into(),
        })?;
        let archive = ZipArchive::new(BufReader::new(file));
        Ok(Self(archive.map_err(io::Error::from)?))
    }

    /// What is in a directory; at most `most` entries are given.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn list(&self, directory: &WorkspacePath, most: usize) -> Result<Listing, AccessError> {
        let directory = directory.to_string();
        if !directory.is_empty() && self.0.index_for_name(&directory).is_some() {
            return Err(AccessError::NotADirectory);
        }
        let prefix = if directory.is_empty() { directory } else { directory + "/" };
        let (mut entries, mut exists) = (BTreeMap::new(), prefix.is_empty());
        for index in 0..self.0.len() {
            let entry = self.0.by_index_data(index).map_err(io::Error::from)?;
            let name = entry.name().map_err(io::Error::from)?;
            let Some(rest) = name.strip_prefix(&prefix) else { continue };
            exists = true;
            let (name, kind, bytes) = match rest.split_once('/') {
                Some((name, _)) => (name, FileKind::Directory, 0),
                None => (rest, FileKind::File, entry.size()),
            };
            if !(name.is_empty() || prefix.is_empty() && name == RESERVED) {
                let modified = time(entry.last_modified());
                let shown = FileEntry { name: name.into(), kind, bytes, modified };
                entries.entry(shown.name.clone()).or_insert(shown);
            }
        }
        if !exists {
            return Err(AccessError::NoSuchFile);
        }
        let more = entries.len().saturating_sub(most) as u64;
        Ok(Listing { entries: entries.into_values().take(most).collect(), more })
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn read(mut self, path: &WorkspacePath) -> Result<Content, AccessError> {
        let name = path.to_string();
        let Some(index) = self.0.index_for_name(&name) else {
            // A directory is known by what is in it.
            return Err(self.list(path, 0).map_or_else(|error| error, |_| AccessError::NotAFile));
        };
        let entry = self.0.by_index_raw(index).map_err(io::Error::from)?;
        let (bytes, packed, modified) =
            (entry.size(), entry.compressed_size(), time(entry.last_modified()));
        let start =
            entry.data_start().filter(|_| entry.compression() == CompressionMethod::Deflated);
        let start = start.ok_or_else(|| io::Error::other("not an entry that `pack` writes"))?;
        drop(entry);
        let mut file = self.0.into_inner().into_inner();
        file.seek(SeekFrom::Start(start))?;
        Ok(Content::deflated(file, packed, bytes, modified))
    }
}

fn time(known: Option<DateTime>) -> Timestamp {
    let moment = known.and_then(|time| jiff::civil::DateTime::try_from(time).ok());
    moment
        .and_then(|moment| moment.to_zoned(TimeZone::UTC).ok())
        .map_or_else(Timestamp::default, |zoned| zoned.timestamp())
}
