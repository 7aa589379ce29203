//! The log on the disk: one JSON object a line, `{"n": 12, "entry": {…}}`, only ever appended to.
//!
//! The file belongs to the job's commands, which may do to it what they like. In memory is where
//! each entry stands and what it looked like; one that looks different later is as good as lost,
//! and nothing else is.
//!
//! Not here: what the entries mean.

use std::collections::VecDeque;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::Entry;

/// The longest line that is read when a log is opened again: far more than an answer of a model or
/// a screenshot. What is longer was not written by us.
const MAX_LINE: u64 = 64 << 20;
/// What is kept in memory while the disk is full, in bytes: enough for the steps that make room.
const MAX_WAITING: usize = 1 << 20;
/// The most entries that can be missing between two; more was not lost but made up.
const MAX_GAP: u64 = 100_000;

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// Where the next line belongs.
    end: u64,
    marks: Vec<Option<Mark>>,
    /// Lines that found no room on the disk, oldest first; tried again with the next one.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// With a key that no command knows.
    hasher: RandomState,
}

/// Where an entry stands.
#[derive(Debug)]
struct Mark {
    offset: u64,
    length: usize,
    hash: u64,
}

#[derive(Serialize)]
struct Line<'e> {
    n: u64,
    entry: &'e Entry,
}

#[derive(Deserialize)]
struct OwnedLine {
    n: u64,
    entry: Entry,
}

impl Log {
    /// Opens a log, and tells of every entry in it, in order; `None` stands for a lost one. A last
    /// line without an end is dropped.
    pub(super) fn open(file: File, mut tell: impl FnMut(Option<&Entry>)) -> io::Result<Self> {
        let mut log = Self {
            file,
            end: 0,
            marks: vec![],
            waiting: VecDeque::new(),
            hasher: RandomState::new(),
        };
        let mut reader = BufReader::new(log.file.try_clone()?);
        reader.rewind()?;
        let mut line = vec![];
        while read_line(&mut reader, &mut line)? {
            log.take_in(&line, &mut tell);
            log.end += line.len() as u64;
        }
        // If that fails, the next entry begins with a line's end.
        drop(log.file.set_len(log.end));
        Ok(log)
    }

    fn take_in(&mut self, line: &[u8], tell: &mut impl FnMut(Option<&Entry>)) {
        let Ok(OwnedLine { n, entry }) = serde_json::from_slice(line) else { return };
        let Some(lost) = n.checked_sub(self.len()).filter(|lost| *lost <= MAX_GAP) else { return };
        for _ in 0..lost {
            self.marks.push(None);
            tell(None);
        }
        self.marks.push(Some(self.mark(self.end, line)));
        tell(Some(&entry));
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes an entry; its number. While the disk is full it waits in memory, as long as there is
    /// room for that: the agent may be about to make some on the disk.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<u64> {
        let n = self.len();
        let mut line = serde_json::to_vec(&Line { n, entry })?;
        line.push(b'\n');
        self.waiting.push_back((n, line));
        self.marks.push(None);
        match self.write_waiting() {
            Err(error) if !is_full(&error) || self.waits_before(n) > MAX_WAITING => {
                self.waiting.pop_back();
                self.marks.pop();
                Err(error)
            }
            _ => Ok(n),
        }
    }

    /// Bytes that wait already where an entry has to wait as well.
    fn waits_before(&self, n: u64) -> usize {
        let before = self.waiting.iter().filter(|(waiting, _)| *waiting < n);
        before.map(|(_, line)| line.len()).sum()
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        while let Some((n, line)) = self.waiting.pop_front() {
            match self.write(line.clone()) {
                Ok(mark) => {
                    if let Some(place) = usize::try_from(n).ok().and_then(|n| self.marks.get_mut(n))
                    {
                        *place = Some(mark);
                    }
                }
                Err(error) => {
                    self.waiting.push_front((n, line));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, mut line: Vec<u8>) -> io::Result<Mark> {
        let end = self.file.metadata()?.len();
        // Somebody wrote or cut: then what stands there now may be half a line.
        let stray = if end == self.end { 0 } else { 1 };
        if stray == 1 {
            line.insert(0, b'\n');
        }
        if let Err(error) = self.file.write_all(&line) {
            drop(self.file.set_len(end));
            return Err(error);
        }
        self.end = end + line.len() as u64;
        Ok(self.mark(end + stray, &line[usize::from(stray == 1)..]))
    }

    /// An entry as it was written; `None` if it is not there any more.
    pub(super) fn read(&self, n: u64) -> Option<Entry> {
        if let Some((_, line)) = self.waiting.iter().find(|(waiting, _)| *waiting == n) {
            return serde_json::from_slice::<OwnedLine>(line).ok().map(|line| line.entry);
        }
        let mark = self.marks.get(usize::try_from(n).ok()?)?.as_ref()?;
        let mut line = vec![0; mark.length];
        self.file.read_exact_at(&mut line, mark.offset).ok()?;
        let same = self.hasher.hash_one(line.as_slice()) == mark.hash;
        let line: OwnedLine = same.then(|| serde_json::from_slice(&line).ok())??;
        Some(line.entry)
    }

    fn mark(&self, offset: u64, line: &[u8]) -> Mark {
        Mark { offset, length: line.len(), hash: self.hasher.hash_one(line) }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Reads a line with its end; whether there was one. Of one that is too long, nothing is kept that
/// could be taken for an entry.
fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(MAX_LINE).read_until(b'\n', line)?;
    Ok(line.ends_with(b"\n") || line.len() as u64 == MAX_LINE)
}

#[cfg(test)]
impl Log {
    /// The same log, which goes on in another file.
    pub(super) fn with_file(self, file: File) -> Self {
        Self { file, ..self }
    }
}
