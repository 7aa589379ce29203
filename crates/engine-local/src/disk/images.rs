//! The images of an engine's sandboxes: named in their folders, mounted for whoever asks.
//!
//! The topmost directory of an image is the workspace and belongs to the job. Where the sandbox has a
//! root file system of its own, the image has what is changed of that too: then the topmost directory
//! is the host's root's, which no job can forge, and has `inside::layers` in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};

use super::pool::Pool;
use super::volume::{Volume, open_directory};
use crate::folder;
use crate::inside::layers;

/// The mounted workspaces of an engine, by their sandbox's folder.
#[derive(Debug)]
pub(super) struct Images {
    pool: Pool,
    open: Mutex<HashMap<PathBuf, Volume>>,
}

impl Images {
    /// Tries out whether images can be made and mounted, in this directory.
    ///
    /// # Errors
    /// Why they cannot.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self { pool: Pool::open(directory)?, open: Mutex::default() })
    }

    /// Gives the sandbox of this folder a workspace of this size, which belongs to this user; and
    /// this one a place for what is changed of the root file system, if it has one of its own.
    pub(super) fn make(
        &self,
        folder: &Path,
        bytes: u64,
        commands: u32,
        agentd: Option<u32>,
    ) -> io::Result<()> {
        let (image, volume) = self.pool.take(bytes)?;
        match agentd {
            None => give(&volume.root, commands, Mode::RWXU)?,
            Some(agentd) => {
                make_of(&volume.root, layers::WORKSPACE, commands, Mode::RWXU)?;
                // Whose owner and mode are those of `/` inside.
                make_of(&volume.root, layers::UPPER, agentd, Mode::from_raw_mode(0o755))?;
                make_of(&volume.root, layers::WORK, agentd, Mode::RWXU)?;
            }
        }
        let unnamed = format!("/proc/self/fd/{}", image.as_raw_fd());
        let name = folder.join(folder::IMAGE);
        rustix::fs::linkat(CWD, unnamed, CWD, name, AtFlags::SYMLINK_FOLLOW)?;
        self.volumes().insert(folder.into(), volume);
        Ok(())
    }

    /// The mount of a workspace, for the sandbox.
    pub(super) fn mount(&self, folder: &Path) -> io::Result<OwnedFd> {
        let mut volumes = self.volumes();
        if let Some(mount) = volumes.get_mut(folder).and_then(|volume| volume.mount.take()) {
            return Ok(mount);
        }
        // The one there was went to an earlier start, or with an earlier orchestrator.
        let Volume { mount, root } = attach(folder)?;
        volumes.insert(folder.into(), Volume { mount: None, root });
        mount.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Opens a workspace, whoever made it and whether or not its sandbox lives.
    pub(super) fn root(&self, folder: &Path) -> io::Result<OwnedFd> {
        let mut volumes = self.volumes();
        if let Some(volume) = volumes.get(folder) {
            return workspace(&volume.root);
        }
        let volume = attach(folder)?;
        let root = workspace(&volume.root);
        volumes.insert(folder.into(), volume);
        root
    }

    /// Unmounts the workspace of an ended sandbox.
    pub(super) fn release(&self, folder: &Path) {
        // Not under the lock.
        let volume = self.volumes().remove(folder);
        drop(volume);
    }

    /// Unmounts the workspace of a sandbox whose folder is gone, for whoever still has it open too:
    /// what was not yet written is not worth it.
    pub(super) fn discard(&self, folder: &Path) {
        // Not under the lock: it takes its time if there were many files.
        let volume = self.volumes().remove(folder);
        let _ = volume.map(Volume::discard);
    }

    fn volumes(&self) -> MutexGuard<'_, HashMap<PathBuf, Volume>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job's files in an image.
fn workspace(root: &OwnedFd) -> io::Result<OwnedFd> {
    let is_layered = rustix::fs::fstat(root)?.st_uid == Uid::ROOT.as_raw();
    open_directory(root, if is_layered { layers::WORKSPACE } else { "." })
}

/// Makes a directory of this user's.
fn make_of(root: &OwnedFd, name: &str, owner: u32, mode: Mode) -> io::Result<()> {
    rustix::fs::mkdirat(root, name, Mode::RWXU)?;
    give(&open_directory(root, name)?, owner, mode)
}

/// Makes a directory this user's.
fn give(directory: &OwnedFd, owner: u32, mode: Mode) -> io::Result<()> {
    rustix::fs::fchown(directory, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
    Ok(rustix::fs::fchmod(directory, mode)?)
}

/// Mounts the image of a sandbox. Under the lock, so that no sandbox is removed meanwhile.
fn attach(folder: &Path) -> io::Result<Volume> {
    let image = File::options().read(true).write(true).open(folder.join(folder::IMAGE))?;
    Volume::attach(&image, folder)
}
