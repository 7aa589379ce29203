//! Writing one file, a piece at a time.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use artifacts::{NewFile, Replaced, Tree, WorkspacePath};
use bytes::Bytes;
use engine::Workspace;

use crate::files::{FilesError, blocking};
use crate::lease::Held;
use crate::room::{Room, is_full};
use crate::staging::Inputs;

/// Writes one file. Dropped before it has finished, there never was one.
#[derive(Debug)]
pub struct FileWriter {
    file: Held<NewFile>,
    home: Home,
    written: u64,
    /// How many bytes the file may have.
    most: u64,
}

/// What becomes of a file.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// An input of a job that has not begun. If that was not accepted yet, all of them are brought
    /// to the disk at once when it is.
    Inputs { inputs: Arc<Inputs>, room: Arc<Room>, is_accepted: bool },
    /// In the workspace of a job that runs: the engine bounds it, and the job answers for it.
    Workspace,
}

impl FileWriter {
    pub(crate) async fn begin(
        tree: Workspace,
        path: WorkspacePath,
        most: u64,
        home: Home,
    ) -> Result<Self, FilesError> {
        let create = move || Ok(Tree::new(tree.as_fd()).create(&path)?);
        let file = blocking(create).await.map_err(|e| home.blame(e, most))?;
        Ok(Self { file: Held::new(file), home, written: 0, most })
    }

    pub(crate) fn held(&self) -> &Held<NewFile> {
        &self.file
    }

    /// Writes some more.
    ///
    /// # Errors
    /// When it becomes too much, the disk is full, or the job is over.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.written += bytes.len() as u64;
        if self.written > self.most {
            return Err(FilesError::TooLarge { most: self.most });
        }
        if let Home::Inputs { room, .. } = &self.home {
            room.take(bytes.len() as u64)?;
        }
        let file = self.file.clone();
        let write = move || file.with(|file| Ok(file.file().write_all(&bytes)?));
        blocking(write).await.map_err(|e| self.home.blame(e, self.most))
    }

    /// Gives the file its name; true if there was nothing of that name before.
    ///
    /// # Errors
    /// When it is too late: the job has begun or is over; or there is no room.
    pub async fn finish(self) -> Result<bool, FilesError> {
        let Self { file, home, written, most } = self;
        let to = home.clone();
        let add = move |new: NewFile| match to {
            Home::Inputs { inputs, is_accepted: true, .. } => inputs.keep(new, written, most),
            Home::Inputs { inputs, .. } => inputs.add(new, written, most),
            Home::Workspace => Ok(new.finish()?),
        };
        let finish = move || file.finish(add);
        let replaced = blocking(finish).await.map_err(|e| home.blame(e, most))?;
        Ok(replaced == Replaced::Nothing)
    }
}

impl Home {
    /// Says whose room was not enough, or that a folder is gone because its time is over.
    fn blame(&self, error: FilesError, most: u64) -> FilesError {
        match (self, error) {
            (Self::Inputs { room, .. }, FilesError::Io(e)) if is_full(&e) => room.refusal().into(),
            (Self::Workspace, FilesError::Io(e)) if is_full(&e) => FilesError::TooLarge { most },
            (Self::Inputs { inputs, .. }, FilesError::NoSuchFile) => {
                inputs.check().err().unwrap_or(FilesError::NoSuchFile)
            }
            (_, error) => error,
        }
    }
}
