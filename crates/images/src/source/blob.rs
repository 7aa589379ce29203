//! A part of a file, and what is in it once it is no longer compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::FrameDecoderError::ReadFrameHeaderError;
use ruzstd::decoding::errors::ReadFrameHeaderError::SkipFrame;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A part of a file that stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    file: Arc<File>,
    begin: u64,
    bytes: u64,
    at: u64,
}

/// What compressed data begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Blob {
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self { file: file.into(), begin: 0, bytes, at: 0 })
    }

    /// A part of it; where it is shorter, less.
    pub(crate) fn part(&self, offset: u64, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes.saturating_sub(offset));
        Self {
            file: Arc::clone(&self.file),
            begin: self.begin.saturating_add(offset),
            bytes,
            at: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether it is compressed.
    pub(crate) fn is_compressed(&self) -> io::Result<bool> {
        let mut first = vec![];
        self.clone().take(ZSTD.len() as u64).read_to_end(&mut first)?;
        Ok(first.starts_with(&GZIP) || first.starts_with(&ZSTD))
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.begin.saturating_add(self.at))?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Blob {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// What is in a stream, compressed or not.
pub(crate) fn plain<'a>(mut from: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = vec![];
    from.by_ref().take(ZSTD.len() as u64).read_to_end(&mut first)?;
    let (gzip, zstd) = (first.starts_with(&GZIP), first.starts_with(&ZSTD));
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(first).chain(from));
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(Zstd { from: whole, decoder: FrameDecoder::new(), in_frame: false }),
        _ => Box::new(whole),
    })
}

/// All frames of a stream, of which the decoder knows one at a time.
struct Zstd<R> {
    from: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame with data in it, if there is one.
    fn begin(&mut self) -> io::Result<()> {
        while !self.in_frame && !self.from.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.from) {
                Ok(()) => self.in_frame = true,
                Err(ReadFrameHeaderError(SkipFrame { length, .. })) => {
                    io::copy(&mut self.from.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(e) => return Err(io::Error::other(e)),
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        while self.in_frame {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let some = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.from, some).map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.in_frame = false;
            self.begin()?;
        }
        Ok(0)
    }
}
