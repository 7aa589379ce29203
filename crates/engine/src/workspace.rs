use std::any::Any;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A job's files: a directory that stays open, wherever it is mounted, as long as this lives.
#[derive(Debug)]
pub struct Workspace {
    directory: OwnedFd,
    /// Dropped with it; what removes the directory if that is a copy.
    copy: Option<Box<dyn Any + Send + Sync>>,
}

impl Workspace {
    /// The workspace that is this directory.
    #[must_use]
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory, copy: None }
    }

    /// Opens a directory of the host.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(File::open(path)?.into()))
    }

    /// A copy of files that the host does not see: they may change after it, and what is written to
    /// it is not written to them. `guard` removes it when it is dropped, after this.
    #[must_use]
    pub fn copy(directory: OwnedFd, guard: impl Any + Send + Sync) -> Self {
        Self { directory, copy: Some(Box::new(guard)) }
    }

    /// Whether it is a copy, to which writing makes no sense.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// A path that leads to it, for this process, while it is open.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.directory.as_raw_fd()).into()
    }
}

impl AsFd for Workspace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}
