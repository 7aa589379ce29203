//! Input files: where they lie until their job has a workspace.
//!
//! ```text
//! <data>/staging/<uuid>/   files of a request that is being read
//! <data>/inputs/<job>/     files of a job that has not begun
//! ```
//!
//! What neither a living request nor a job that has not begun owns is removed: with the request,
//! when the job's agent is there, when the job is over, and when the next orchestrator starts.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifacts::{NewFile, PackError, Replaced, Tree, WorkspacePath};
use engine::Workspace;
use uuid::Uuid;

use crate::files::{FilesError, blocking};
use crate::folders::{Folders, make_private};
use crate::room::Room;
use crate::upload::{FileWriter, Home};

/// How many input files a job may have: each costs a call or three when it starts.
const MAX_FILES: u64 = 10_000;

/// Input files of a request that is still being read. Dropped, they are gone.
#[derive(Debug)]
pub struct Staging {
    folder: Folder,
    room: Arc<Room>,
    inputs: Arc<Inputs>,
}

/// Input files of a request that was read. Dropped, they are gone.
#[derive(Debug)]
pub struct Staged {
    folder: Folder,
    inputs: Arc<Inputs>,
}

impl Staging {
    pub(crate) async fn begin(folders: &Folders, room: Arc<Room>) -> Result<Self, FilesError> {
        room.check()?;
        let path = folders.staging().join(Uuid::now_v7().to_string());
        let folder = blocking(move || Ok(Folder::make(path)?)).await?;
        Ok(Self { folder, room, inputs: Arc::default() })
    }

    /// Begins to write a file. It is there once its writer has finished; a second one of the same
    /// path takes its place.
    ///
    /// # Errors
    /// When the path leads over a file or is a directory's, or the disk is full.
    pub async fn file(&self, path: &WorkspacePath) -> Result<FileWriter, FilesError> {
        let (inputs, room) = (self.inputs.clone(), self.room.clone());
        let home = Home::Inputs { inputs, room, is_accepted: false };
        FileWriter::begin(Workspace::open(self.folder.path())?, path.clone(), u64::MAX, home).await
    }

    /// Ends the writing.
    #[must_use]
    pub fn finish(self) -> Staged {
        Staged { folder: self.folder, inputs: self.inputs }
    }
}

impl Staged {
    /// How many bytes all files have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inputs.state().bytes
    }

    /// Makes them the inputs of a job, on the disk. Blocks.
    pub(crate) fn settle(mut self, to: &Path) -> io::Result<Arc<Inputs>> {
        if let Some(inputs) = to.parent() {
            make_private(inputs)?;
        }
        self.folder.move_to(to)?;
        // After that: not every file system keeps a name because what came later is kept.
        rustix::fs::syncfs(Workspace::open(to)?)?;
        self.folder.keep();
        Ok(self.inputs)
    }
}

/// What is known of a job's inputs, or of those of a request that may become a job.
#[derive(Debug, Default)]
pub(crate) struct Inputs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: u64,
    bytes: u64,
    stage: Stage,
}

/// Whether something may be added.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Open,
    /// They are on their way into the workspace: what comes now comes too late.
    Taken,
    /// The job is over.
    Over,
}

impl Inputs {
    /// Those of a job that an earlier orchestrator accepted.
    pub(crate) fn found(folder: &Path) -> Arc<Self> {
        let (files, bytes) = measure(folder).unwrap_or_default();
        Arc::new(Self(Mutex::new(State { files, bytes, stage: Stage::Open })))
    }

    /// From now on nothing is added. How many bytes there are; none if there is no file.
    pub(crate) fn take(&self) -> Option<u64> {
        let mut state = self.state();
        state.stage = Stage::Taken;
        (state.files > 0).then_some(state.bytes)
    }

    /// From now on nothing is added, because the job is over.
    pub(crate) fn end(&self) {
        self.state().stage = Stage::Over;
    }

    /// Whether something may be added.
    pub(crate) fn check(&self) -> Result<(), FilesError> {
        self.state().check()
    }

    /// Opens where they lie, and makes it, unless it is or will be gone.
    pub(crate) fn folder(&self, path: &Path) -> Result<Workspace, FilesError> {
        let state = self.state();
        state.check()?;
        make_private(path)?;
        Ok(Workspace::open(path)?)
    }

    /// Adds a file that is written, unless it would be too late or too much.
    pub(crate) fn add(&self, new: NewFile, bytes: u64, most: u64) -> Result<Replaced, FilesError> {
        let mut state = self.state();
        state.check()?;
        let (old_files, old_bytes) = match new.replaces()? {
            Replaced::File(bytes) => (1, bytes),
            Replaced::Nothing | Replaced::Other => (0, 0),
        };
        let files = state.files + 1 - old_files;
        let bytes = (state.bytes + bytes).saturating_sub(old_bytes);
        if bytes > most {
            return Err(FilesError::TooLarge { most });
        }
        if files > MAX_FILES {
            return Err(FilesError::TooMany { most: MAX_FILES });
        }
        let replaced = new.finish()?;
        (state.files, state.bytes) = (files, bytes);
        Ok(replaced)
    }

    /// The same, on the disk.
    pub(crate) fn keep(&self, new: NewFile, bytes: u64, most: u64) -> Result<Replaced, FilesError> {
        let file = new.file().try_clone()?;
        // Before: a power cut must not leave an empty file in the place of one that was kept.
        file.sync_all()?;
        let replaced = self.add(new, bytes, most)?;
        // Its name, and the directories on the way to it.
        rustix::fs::syncfs(&file).map_err(io::Error::from)?;
        Ok(replaced)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self) -> Result<(), FilesError> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Taken => Err(FilesError::NotYet),
            Stage::Over => Err(FilesError::Over),
        }
    }
}

/// Files and bytes in a folder of ours.
fn measure(folder: &Path) -> io::Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.metadata()? {
                known if known.is_dir() => open.push(entry.path()),
                known => (files, bytes) = (files + 1, bytes + known.len()),
            }
        }
    }
    Ok((files, bytes))
}

/// Puts a job's inputs into its workspace. Blocks.
pub(crate) fn place(inputs: &Path, workspace: &Workspace) -> Result<(), PackError> {
    let unreadable =
        |source: io::Error| PackError::Input { path: ".".into(), source: source.into() };
    let inputs = Workspace::open(inputs).map_err(unreadable)?;
    Tree::new(workspace.as_fd()).take_over(&Tree::new(inputs.as_fd()))
}

/// Removed when it is dropped.
#[derive(Debug)]
struct Folder(Option<PathBuf>);

impl Folder {
    fn make(path: PathBuf) -> io::Result<Self> {
        make_private(&path)?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn move_to(&mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(self.path(), path)?;
        self.0 = Some(path.to_owned());
        Ok(())
    }

    fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            drop(std::fs::remove_dir_all(path));
        }
    }
}
