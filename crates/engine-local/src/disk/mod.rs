//! Workspaces. Where we may, each is a file system of its own, a hard quota: a sparse file in the
//! sandbox's folder, mounted in the sandbox and nowhere else. Killed at any moment, we leave no mount
//! and no device, only that file. Elsewhere a workspace is a directory, which the helper watches.

mod image;
mod images;
mod loop_device;
mod pool;
mod volume;

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use engine::{EngineError, Workspace};

use crate::client::io_error;
use crate::plan::Users;
use crate::{folder, inside};
use images::Images;

/// The workspaces of an engine's sandboxes, which are named by their folders.
#[derive(Debug)]
pub(crate) struct Workspaces {
    home: PathBuf,
    /// Or why there are none. Not known yet while the disk is too full to try it.
    images: OnceLock<Result<Images, String>>,
}

impl Workspaces {
    /// Tries out whether workspaces can be images, in this directory.
    pub(crate) fn open(home: &Path, separate_users: bool) -> Self {
        let images = OnceLock::new();
        if !separate_users {
            images.get_or_init(|| Err("an ordinary user may not mount one".into()));
        }
        let workspaces = Self { home: home.into(), images };
        drop(workspaces.images());
        workspaces
    }

    /// Why workspaces are directories, if they are.
    pub(crate) fn no_images(&self) -> Option<String> {
        match self.images() {
            Ok(images) => images.as_ref().err().cloned(),
            Err(full) => Some(full.to_string()),
        }
    }

    /// The images, or why there are none.
    ///
    /// # Errors
    /// When the disk is too full to tell.
    fn images(&self) -> io::Result<&Result<Images, String>> {
        if let Some(known) = self.images.get() {
            return Ok(known);
        }
        let tried = match Images::open(&self.home) {
            Err(full) if full.kind() == ErrorKind::StorageFull => return Err(full),
            tried => tried.map_err(|e| e.to_string()),
        };
        Ok(self.images.get_or_init(|| tried))
    }

    fn known(&self) -> Option<&Images> {
        self.images.get()?.as_ref().ok()
    }

    /// Makes the workspace of a new sandbox; with room for what is changed of its root file system
    /// too, if it is `layered` on one.
    pub(crate) fn make(
        &self,
        folder: &Path,
        bytes: u64,
        users: Users,
        layered: bool,
    ) -> Result<(), EngineError> {
        let owners = match users {
            Users::Separate { agentd, commands } => Some((agentd, commands)),
            Users::Shared { .. } => None,
        };
        let images = self.images().map_err(|e| io_error("try an image in", &self.home, e))?;
        let (Ok(images), Some((agentd, commands))) = (images, owners) else {
            let owner = owners.map(|(_, commands)| commands);
            return folder::make_dir_of(&folder.join(folder::WORKSPACE), owner);
        };
        let made = images.make(folder, bytes, commands, layered.then_some(agentd));
        made.map_err(|e| io_error("make", &folder.join(folder::IMAGE), e))
    }

    /// What a sandbox gets as its workspace if that is an image.
    pub(crate) fn mount(&self, folder: &Path) -> Result<Option<OwnedFd>, EngineError> {
        if !has_image(folder) {
            return Ok(None);
        }
        self.with_images(folder, |images| images.mount(folder)).map(Some)
    }

    /// Opens a workspace, whoever made it and whether or not its sandbox lives.
    pub(crate) fn workspace(&self, folder: &Path) -> Result<Workspace, EngineError> {
        if has_image(folder) {
            return self.with_images(folder, |images| images.root(folder)).map(Workspace::new);
        }
        let path = folder.join(folder::WORKSPACE);
        let opened = make_open(&path).and_then(|()| Workspace::open(&path));
        opened.map_err(|e| io_error("open", &path, e))
    }

    /// Unmounts the workspace of an ended sandbox, whose folder stays or gets another name. None if
    /// there is no workspace.
    pub(crate) fn release(&self, folder: &Path) -> Option<()> {
        let _ = self.known().map(|images| images.release(folder));
        (has_image(folder) || folder.join(folder::WORKSPACE).is_dir()).then_some(())
    }

    /// Lets go of the workspace of a sandbox whose folder is gone.
    pub(crate) fn discard(&self, folder: &Path) {
        let _ = self.known().map(|images| images.discard(folder));
    }

    /// For a sandbox that has an image, whoever made it.
    fn with_images<T>(
        &self,
        folder: &Path,
        work: impl FnOnce(&Images) -> io::Result<T>,
    ) -> Result<T, EngineError> {
        let mount = |e| io_error("mount", &folder.join(folder::IMAGE), e);
        let images = self.images().map_err(mount)?;
        let images = images.as_ref().map_err(|why| EngineError::Unavailable {
            engine: inside::ENGINE,
            why: format!("the image {} cannot be mounted: {why}", folder.display()),
            cure: "run cagent as root, as when it was made".into(),
        })?;
        work(images).map_err(mount)
    }
}

/// A job may have closed its workspace to its owner, who may be us. It cannot have made a link of it.
fn make_open(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode | 0o700))
}

pub(crate) fn has_image(folder: &Path) -> bool {
    folder.join(folder::IMAGE).exists()
}
