//! Where more of an output is, mostly all of it, when it is too long to show: a file beneath `.cagent/output`, made
//! when it is needed. It never gets into the ZIP, as nothing of `.cagent` does.
//!
//! It is the job's disk: what is kept is a small part of what is free, and what is old goes first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::fstatvfs;

use crate::step::{Open, Runner};

/// The most that is kept of one step's output, in bytes.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// The most that is kept of all steps' output, in bytes.
const MOST_TOGETHER: u64 = 8 * MOST_BYTES;

/// Of what is free, one step's output takes no more than this part, and all of them together no more
/// than [`PART_TOGETHER`].
const PART: u64 = 16;
const PART_TOGETHER: u64 = 4;

/// What a file has whose content had to go.
const GONE: &[u8] = b"[gone: newer output needed the room]\n";

/// What is kept of all steps' output: files and their bytes, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Spilled(Rc<RefCell<VecDeque<(PathBuf, u64)>>>);

#[derive(Debug)]
pub(super) struct Spill {
    /// Beneath the workspace.
    path: PathBuf,
    file: Option<io::Result<File>>,
    /// How much more may be kept.
    room: u64,
    /// Whether some of it was not kept.
    is_cut: bool,
    spilled: Spilled,
}

impl Spill {
    /// For a step's output.
    pub(super) fn new(step: u32, spilled: &Spilled) -> Self {
        let path = format!(".cagent/output/{step}.txt").into();
        Self { path, file: None, room: 0, is_cut: false, spilled: spilled.clone() }
    }

    /// Adds to it. What cannot be kept is no reason to stop: the model is told.
    pub(super) async fn keep(&mut self, runner: &Runner, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.file.is_none() {
            self.file = Some(self.open(runner).await);
        }
        let Some(Ok(file)) = &mut self.file else { return };
        let kept =
            &text[..text.floor_char_boundary(usize::try_from(self.room).unwrap_or(usize::MAX))];
        self.is_cut |= kept.len() < text.len();
        match file.write_all(kept.as_bytes()) {
            Ok(()) => {
                self.room -= kept.len() as u64;
                self.spilled.add(&self.path, kept.len() as u64);
            }
            Err(error) => self.file = Some(Err(error)),
        }
        // Nothing is added behind a gap.
        if self.is_cut {
            self.room = 0;
        }
    }

    /// Where it is, for the model.
    pub(super) fn whole(&self, runner: &Runner) -> String {
        let path = runner.config.workspace.join(&self.path);
        match &self.file {
            Some(Err(error)) => format!("they could not be kept: {error}"),
            _ if self.is_cut => {
                format!("the beginning of it is in {}, the rest was too much", path.display())
            }
            _ => format!("all of it is in {}", path.display()),
        }
    }

    async fn open(&mut self, runner: &Runner) -> io::Result<File> {
        let file = runner.open(Open::Append, &self.path).await?;
        let disk = fstatvfs(&file)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        self.room = most(free);
        for old in self.spilled.too_much(free, self.room) {
            // One that is not there any more takes no room.
            if let Ok(mut file) = runner.open(Open::Append, &old).await {
                file.set_len(0)?;
                file.write_all(GONE)?;
            }
        }
        Ok(file)
    }
}

impl Spilled {
    fn add(&self, path: &Path, bytes: u64) {
        let mut files = self.0.borrow_mut();
        match files.iter_mut().rev().find(|(other, _)| other == path) {
            Some((_, all)) => *all += bytes,
            None => files.push_back((path.into(), bytes)),
        }
    }

    /// Whose content has to go where so much is free, and so much more comes.
    fn too_much(&self, free: u64, more: u64) -> Vec<PathBuf> {
        let mut files = self.0.borrow_mut();
        let mut all: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let most = ((free + all) / PART_TOGETHER).min(MOST_TOGETHER);
        let mut gone = vec![];
        while all + more > most
            && let Some((path, bytes)) = files.pop_front()
        {
            all -= bytes;
            gone.push(path);
        }
        gone
    }
}

/// How much of one output is kept where so much is free.
fn most(free: u64) -> u64 {
    (free / PART).min(MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However much steps write, they leave most of the disk to the job.
        #[test]
        fn most_of_the_disk_stays_free(disk in 0u64..1 << 40, wrote in prop::collection::vec(0u64..1 << 34, 0..40)) {
            let spilled = Spilled::default();
            for (step, bytes) in wrote.into_iter().enumerate() {
                let used = |spilled: &Spilled| spilled.0.borrow().iter().map(|(_, all)| all).sum::<u64>();
                let free = disk - used(&spilled);
                let room = most(free);
                spilled.too_much(free, room);
                spilled.add(Path::new(&step.to_string()), bytes.min(room));
                prop_assert!(used(&spilled) <= disk / PART_TOGETHER);
                prop_assert!(used(&spilled) <= MOST_TOGETHER);
            }
        }
    }

    #[test]
    fn the_oldest_goes_first() {
        let spilled = Spilled::default();
        for (path, bytes) in [("1", 30), ("2", 30), ("1", 10), ("3", 30)] {
            spilled.add(Path::new(path), bytes);
        }
        assert_eq!(spilled.too_much(500, 50), Vec::<PathBuf>::new());
        assert_eq!(spilled.too_much(300, 50), [PathBuf::from("1"), PathBuf::from("2")]);
    }
}
