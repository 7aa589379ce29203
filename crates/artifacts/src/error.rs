use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::AccessError;

/// Why there is no ZIP, or no input. What a job does to its workspace is no reason: that ends up in the
/// manifest.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The workspace itself cannot be opened.
    #[error(
        "cannot open the workspace: {source}; it must be a directory the orchestrator may read"
    )]
    Workspace {
        /// What the kernel said.
        source: Errno,
    },
    /// The system call that keeps packing inside the workspace is not there.
    #[error(
        "the kernel refuses openat2 ({source}); Linux 5.6 or newer is needed, and in a container a seccomp profile that allows it"
    )]
    NoOpenat2 {
        /// What the kernel said.
        source: Errno,
    },
    /// The orchestrator ran out of something while it walked the workspace.
    #[error(
        "cannot read `{path}` in the workspace: {source}; raise the orchestrator's limit of open files or memory and pack again"
    )]
    Resources {
        /// The entry, relative to the workspace.
        path: String,
        /// What the kernel said.
        source: Errno,
    },
    /// A file cannot be put into the workspace.
    #[error("cannot put `{path}` into the workspace: {source}")]
    Input {
        /// The file, relative to the workspace.
        path: String,
        /// What went wrong.
        source: AccessError,
    },
    /// A file of the orchestrator that belongs beneath `.cagent/` cannot be read.
    #[error("cannot read what belongs in `.cagent/{name}`: {source}; check the data directory")]
    Extra {
        /// Its name in the ZIP.
        name: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// The ZIP cannot be written.
    #[error("cannot write {}: {source}; check the directory's permissions and free space", path.display())]
    Write {
        /// The ZIP's path.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}
