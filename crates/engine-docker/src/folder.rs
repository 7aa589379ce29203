//! What lies in a sandbox's folder, `<home>/<job>/`.
//!
//! Not here: what is noted there (`notes`).

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::EngineError;
use tempfile::TempDir;
use types::JobId;

/// The gateway's socket goes here.
const GATEWAY: &str = "gateway";

/// The job's files; bridged, those it begins with.
const WORKSPACE: &str = "workspace";

/// Bridged, the job's files as they were at the end.
const RESULT: &str = "result";

/// How the names of directories begin that are being filled.
const ASIDE: &str = "fetched-";

/// How long somebody may still write into a directory that is removed, and how often it is tried.
const WRITERS: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// A sandbox's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn of(home: &Path, job: JobId) -> Self {
        Self(home.join(job.to_string()))
    }

    /// Makes it; the workspace for the job's user where the container sees it.
    pub(crate) fn make(&self, owner: Option<u32>) -> Result<(), EngineError> {
        for path in [&self.0, &self.gateway(), &self.workspace()] {
            make_dir(path).map_err(|e| io_error("create", path, e))?;
        }
        let workspace = self.workspace();
        let given = owner.map_or(Ok(()), |id| chown(&workspace, Some(id), Some(id)));
        given.map_err(|e| io_error("give away", &workspace, e))?;
        self.note_way(owner.is_none())
    }

    /// Gives it another job's name.
    pub(crate) fn hand_over(&self, to: &Self) -> Result<(), EngineError> {
        fs::rename(&self.0, &to.0).map_err(|e| io_error("take over", &self.0, e))
    }

    /// Makes it as new but for the job's files, which may be those of a result.
    pub(crate) fn renew(&self) -> Result<(), EngineError> {
        let (workspace, result, gateway) = (self.workspace(), self.result(), self.gateway());
        if result.is_dir() {
            remove(&workspace)?;
            fs::rename(&result, &workspace).map_err(|e| io_error("make", &workspace, e))?;
        }
        self.forget()?;
        self.remove_gateway()?;
        make_dir(&gateway).map_err(|e| io_error("create", &gateway, e))
    }

    /// Nobody wants to hear of its agent any more: one whose container the daemon has forgotten, and
    /// which goes on, ends by that.
    pub(crate) fn remove_gateway(&self) -> Result<(), EngineError> {
        remove(&self.gateway())
    }

    pub(crate) fn remove(&self) -> Result<(), EngineError> {
        // First, so that nobody goes on writing into the rest.
        self.remove_gateway()?;
        remove(&self.0)
    }

    pub(crate) fn exists(&self) -> Result<bool, EngineError> {
        is_there(&self.0)
    }

    /// What is called so in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn gateway(&self) -> PathBuf {
        self.0.join(GATEWAY)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.0.join(WORKSPACE)
    }

    pub(crate) fn result(&self) -> PathBuf {
        self.0.join(RESULT)
    }

    /// A new directory for what is fetched.
    pub(crate) fn aside(&self) -> Result<TempDir, EngineError> {
        let made = tempfile::Builder::new().prefix(ASIDE).tempdir_in(&self.0);
        made.map_err(|e| io_error("make a directory in", &self.0, e))
    }

    /// Makes what was fetched the result, in place of one that nobody noted: a crash came between.
    pub(crate) fn keep_result(&self, fetched: TempDir) -> Result<(), EngineError> {
        let result = self.result();
        remove(&result)?;
        fs::rename(fetched.keep(), &result).map_err(|e| io_error("make", &result, e))
    }

    /// Removes what a crash left half fetched.
    pub(crate) fn sweep(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let is_aside = entry.file_name().to_string_lossy().starts_with(ASIDE);
            if is_aside && let Err(e) = remove(&entry.path()) {
                tracing::warn!("what a crash left: {e}");
            }
        }
    }
}

/// Every job that has a folder.
pub(crate) fn all(home: &Path) -> Result<Vec<JobId>, EngineError> {
    let entries = fs::read_dir(home).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|e| io_error("read", home, e))?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Whether there is such a thing; an error if nobody can tell.
pub(crate) fn is_there(path: &Path) -> Result<bool, EngineError> {
    path.try_exists().map_err(|e| io_error("look for", path, e))
}

/// Also while somebody still writes into it: a container whose start was under way when an earlier
/// process died, until the daemon has taken it away.
fn remove(path: &Path) -> Result<(), EngineError> {
    let begun = Instant::now();
    loop {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty && begun.elapsed() < WRITERS => {
                std::thread::sleep(PAUSE);
            }
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(io_error("remove", path, e)),
            _ => return Ok(()),
        }
    }
}

/// Makes a directory for us alone.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

pub(crate) fn io_error(what: &'static str, path: &Path, source: io::Error) -> EngineError {
    EngineError::Io { what, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use engine::SandboxEnd;

    use super::*;

    fn folder() -> (TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::of(home.path(), JobId::generate());
        folder.make(None).unwrap();
        (home, folder)
    }

    #[test]
    fn a_result_is_made_again_after_a_crash_before_its_note() {
        let (_home, folder) = folder();
        for text in ["before", "after"] {
            let fetched = folder.aside().unwrap();
            fs::write(fetched.path().join("file"), text).unwrap();
            folder.keep_result(fetched).unwrap();
            assert_eq!(fs::read_to_string(folder.result().join("file")).unwrap(), text);
        }
    }

    #[test]
    fn an_adopted_folder_has_the_files_and_nothing_else() {
        let (home, old) = folder();
        old.note_start().unwrap();
        old.note_intent(SandboxEnd::Stopped).unwrap();
        fs::write(old.workspace().join("given"), "1").unwrap();
        let fetched = old.aside().unwrap();
        fs::write(fetched.path().join("made"), "1").unwrap();
        old.keep_result(fetched).unwrap();
        let first = old.begin_try().unwrap();
        assert_eq!(old.this_try().unwrap().as_ref(), Some(&first));
        old.end_try().unwrap();
        old.end_try().unwrap();
        assert_eq!((old.this_try().unwrap(), old.last_try().unwrap()), (None, Some(first)));
        let new = Folder::of(home.path(), JobId::generate());
        old.hand_over(&new).unwrap();
        for _ in 0..2 {
            new.renew().unwrap();
            assert!(!old.exists().unwrap() && !new.was_started().unwrap());
            assert!(new.intent().is_none());
            assert_eq!((new.this_try().unwrap(), new.last_try().unwrap()), (None, None));
            assert!(new.workspace().join("made").exists() && new.gateway().is_dir());
            assert!(!new.workspace().join("given").exists() && !new.result().exists());
        }
    }

    #[test]
    fn a_folder_goes_though_somebody_writes_into_it() {
        let (_home, folder) = folder();
        let (workspace, gateway) = (folder.workspace(), folder.gateway());
        let writing = std::thread::spawn(move || {
            let mut written = 0_u32;
            // As one does whose agent ends when it finds that out.
            while gateway.exists() {
                let made = fs::create_dir_all(&workspace);
                written += u32::from(made.and_then(|()| File::create(workspace.join("x"))).is_ok());
            }
            written
        });
        while !folder.workspace().join("x").exists() {}
        let removed = folder.remove();
        drop(fs::remove_dir_all(folder.gateway()));
        assert!(writing.join().unwrap() > 0);
        removed.unwrap();
    }

    #[test]
    fn what_a_crash_left_half_fetched_goes() {
        let (_home, folder) = folder();
        let left = folder.aside().unwrap().keep();
        fs::write(left.join("half"), "1").unwrap();
        folder.sweep();
        assert!(!left.exists() && folder.workspace().exists() && folder.gateway().exists());
    }
}
