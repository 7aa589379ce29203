//! Writes entries into the ZIP.

use std::io::{self, BufWriter, Read, Seek, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// How hard to compress. Against `zip -r` (level 6) on documents, C headers and JavaScript, 4 takes
/// 0.48 to 0.63 of the time at 0.99 to 1.02 of the size; 6 takes up to 0.76 of the time, 3 gives up
/// to 1.04 of the size.
const LEVEL: i64 = 4;

/// From this size on an entry gets Zip64 fields. Below 4 GiB, for what does not compress grows.
const LARGE: u64 = 0xf000_0000;

/// The first and the last second a ZIP can hold: 1980-01-01 and 2107-12-31 23:59:58.
const TIMES: (i64, i64) = (315_532_800, 4_354_819_198);

/// A ZIP being written.
pub(crate) struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    buffer: Vec<u8>,
}

/// What an entry is, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Seconds since 1970; what a ZIP cannot hold is moved to what it can.
    pub(crate) modified: i64,
}

/// The bytes that went into an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    /// How many.
    pub(crate) bytes: u64,
    /// Their SHA-256.
    #[serde(serialize_with = "hex")]
    pub(crate) sha256: [u8; 32],
}

/// Why an entry could not be added.
#[derive(Debug)]
pub(crate) enum AddError {
    /// Its bytes could not be read; the ZIP does not have it and can go on.
    Read(io::Error),
    /// The ZIP could not be written.
    Write(io::Error),
}

impl<W: Write + Seek> Archive<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { zip: ZipWriter::new(to), buffer: vec![0; 128 << 10] }
    }

    /// Adds a file of at most `size` bytes: one that grows meanwhile is cut there.
    pub(crate) fn add(
        &mut self,
        entry: Entry<'_>,
        size: u64,
        from: impl Read,
    ) -> Result<Content, AddError> {
        self.start(entry, size).map_err(AddError::Write)?;
        let copied = self.copy(from.take(size));
        if let Err(AddError::Read(_)) = copied {
            self.zip.abort_file().map_err(|error| AddError::Write(error.into()))?;
        }
        copied
    }

    /// Adds a value as a JSON file.
    pub(crate) fn add_json(&mut self, entry: Entry<'_>, value: &impl Serialize) -> io::Result<()> {
        self.start(entry, 0)?;
        let mut writer = BufWriter::new(&mut self.zip);
        serde_json::to_writer_pretty(&mut writer, value)?;
        writer.write_all(b"\n")?;
        writer.flush()
    }

    pub(crate) fn add_directory(&mut self, entry: Entry<'_>) -> io::Result<()> {
        Ok(self.zip.add_directory(entry.name, options(entry))?)
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        Ok(self.zip.finish()?)
    }

    fn start(&mut self, entry: Entry<'_>, size: u64) -> io::Result<()> {
        Ok(self.zip.start_file(entry.name, options(entry).large_file(size >= LARGE))?)
    }

    fn copy(&mut self, mut from: impl Read) -> Result<Content, AddError> {
        let (mut bytes, mut hash) = (0, Sha256::new());
        loop {
            let read = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(Content { bytes, sha256: hash.finalize().into() }),
                Ok(read) => &self.buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(AddError::Read(error)),
            };
            hash.update(read);
            self.zip.write_all(read).map_err(AddError::Write)?;
            bytes += read.len() as u64;
        }
    }
}

fn options(entry: Entry<'_>) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .unix_permissions(entry.mode)
        .last_modified_time(time(entry.modified))
}

/// A time as a ZIP holds it: two-second steps, no zone; UTC here.
fn time(seconds: i64) -> DateTime {
    let moment = Timestamp::from_second(seconds.clamp(TIMES.0, TIMES.1)).unwrap_or_default();
    DateTime::try_from(moment.to_zoned(TimeZone::UTC).datetime()).unwrap_or_default()
}

fn hex<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write as _;
    let text = bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zip::ZipArchive;

    use super::*;

    const ENTRY: Entry<'_> = Entry { name: "a", mode: 0o644, modified: 0 };

    /// So many buffers full of bytes that do not compress, then an error.
    struct Failing(u32);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("a bad sector"));
            }
            for (n, hash) in buffer.chunks_mut(32).enumerate() {
                hash.copy_from_slice(&Sha256::digest(n.to_le_bytes())[..hash.len()]);
            }
            self.0 -= 1;
            Ok(buffer.len())
        }
    }

    fn empty() -> Archive<Cursor<Vec<u8>>> {
        Archive::new(Cursor::new(Vec::new()))
    }

    #[test]
    fn more_than_the_announced_size_is_cut() {
        let content = empty().add(ENTRY, 3, &b"abcdef"[..]).unwrap();
        assert_eq!(content.bytes, 3);
        assert_eq!(content.sha256[..], Sha256::digest(b"abc")[..]);
    }

    #[test]
    fn the_zip_goes_on_without_what_cannot_be_read() {
        let mut archive = empty();
        archive.add(ENTRY, 3, &b"one"[..]).unwrap();
        let broken = Entry { name: "broken", ..ENTRY };
        assert!(matches!(archive.add(broken, 9 << 20, Failing(1)), Err(AddError::Read(_))));
        archive.add(Entry { name: "b", ..ENTRY }, 3, &b"two"[..]).unwrap();

        let mut zip = ZipArchive::new(archive.finish().unwrap()).unwrap();
        assert_eq!(zip.len(), 2);
        for (name, text) in [("a", "one"), ("b", "two")] {
            assert_eq!(io::read_to_string(zip.by_name(name).unwrap()).unwrap(), text);
        }
    }
}
