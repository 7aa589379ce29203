//! The images of an engine's sandboxes: named in their folders, mounted for whoever asks.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid};

use super::pool::Pool;
use super::volume::{Volume, open_root};
use crate::folder;

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

    /// Gives the sandbox of this folder a workspace of this size, which belongs to this user.
    pub(super) fn make(&self, folder: &Path, bytes: u64, owner: u32) -> io::Result<()> {
        let (image, volume) = self.pool.take(bytes)?;
        let (uid, gid) = (Uid::from_raw(owner), Gid::from_raw(owner));
        rustix::fs::fchown(&volume.root, Some(uid), Some(gid))?;
        rustix::fs::fchmod(&volume.root, Mode::RWXU)?;
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
            return open_root(&volume.root);
        }
        let volume = attach(folder)?;
        let root = open_root(&volume.root);
        volumes.insert(folder.into(), volume);
        root
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

/// Mounts the image of a sandbox. Under the lock, so that no sandbox is removed meanwhile.
fn attach(folder: &Path) -> io::Result<Volume> {
    let image = File::options().read(true).write(true).open(folder.join(folder::IMAGE))?;
    Volume::attach(&image, folder)
}
