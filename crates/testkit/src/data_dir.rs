use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A data directory that goes away with its last clone, and with it the sandboxes on it: they
/// outlive a server, also one that a failed test left behind.
#[derive(Clone, Debug)]
pub struct DataDir {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    /// Where it really is, links followed.
    path: PathBuf,
    _temporary: TempDir,
}

impl DataDir {
    /// One that nobody has used; the directory itself is not there yet.
    ///
    /// # Panics
    /// If there is no place for it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "one is never like another")]
    pub fn new() -> Self {
        let temporary = TempDir::new().expect("a temporary folder");
        let real = temporary.path().canonicalize().expect("its path");
        Self { folder: Arc::new(Folder { path: real.join("data"), _temporary: temporary }) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A sandbox dies with its helper.
        for pid in helpers(&self.path) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The processes whose program lies in this directory.
fn helpers(dir: &Path) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = |name: &str| {
        let command = std::fs::read(format!("/proc/{name}/cmdline")).ok()?;
        command.starts_with(dir.as_os_str().as_bytes()).then_some(())?;
        Pid::from_raw(name.parse().ok()?)
    };
    processes.filter_map(|entry| ours(entry.file_name().to_str()?)).collect()
}
