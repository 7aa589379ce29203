//! What lies in a sandbox's folder, `<home>/<job>/`.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Ended, EngineError, SandboxEnd};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use types::JobId;

use crate::moment::Moment;

/// The gateway's socket goes here.
const GATEWAY: &str = "gateway";

/// The job's files; bridged, those it begins with.
const WORKSPACE: &str = "workspace";

/// Bridged, the job's files as they were at the end.
const RESULT: &str = "result";

/// How the names of directories begin that are being filled.
const ASIDE: &str = "fetched-";

/// When the container was told to start, a [`Moment`].
const STARTED: &str = "started";

/// Why we end it, a [`SandboxEnd`]; written before we do.
const INTENT: &str = "intent.json";

/// How it ended, an [`Ended`]; written last.
const ENDED: &str = "ended.json";

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
        given.map_err(|e| io_error("give away", &workspace, e))
    }

    pub(crate) fn remove(&self) -> Result<(), EngineError> {
        remove(&self.0)
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
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

    pub(crate) fn was_started(&self) -> bool {
        self.0.join(STARTED).exists()
    }

    pub(crate) fn note_start(&self) -> Result<(), EngineError> {
        self.write(STARTED, &Moment::now())
    }

    /// How long ago that was; nothing if nobody knows.
    pub(crate) fn since_start(&self) -> Duration {
        let started = self.read::<Moment>(STARTED);
        started.map(|started| Moment::now().since(&started)).unwrap_or_default()
    }

    /// The first reason counts.
    pub(crate) fn note_intent(&self, end: SandboxEnd) -> Result<(), EngineError> {
        if self.intent().is_some() { Ok(()) } else { self.write(INTENT, &end) }
    }

    pub(crate) fn intent(&self) -> Option<SandboxEnd> {
        self.read(INTENT)
    }

    pub(crate) fn note_end(&self, ended: &Ended) -> Result<(), EngineError> {
        self.write(ENDED, ended)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.read(ENDED)
    }

    /// All or nothing, so that a crash leaves no half a file.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), EngineError> {
        let (path, new) = (self.0.join(name), self.0.join(format!(".{name}.new")));
        let bytes = serde_json::to_vec(value).map_err(|e| io_error("write", &path, e.into()))?;
        let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path));
        written.map_err(|e| io_error("write", &path, e))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.0.join(name)).ok()?).ok()
    }
}

/// Every job that has a folder.
pub(crate) fn all(home: &Path) -> Result<Vec<JobId>, EngineError> {
    let entries = fs::read_dir(home).map_err(|e| io_error("read", home, e))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// The name by which this data directory's containers are told from others', made once.
pub(crate) fn owner(home: &Path) -> Result<String, EngineError> {
    let path = home.join("owner");
    match fs::read_to_string(&path) {
        Ok(id) if id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()) => return Ok(id),
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(io_error("read", &path, e)),
        _ => {}
    }
    let id: String = uuid::Uuid::now_v7().simple().to_string().chars().rev().take(12).collect();
    let new = home.join(".owner.new");
    let written = fs::write(&new, &id).and_then(|()| fs::rename(&new, &path));
    written.map_err(|e| io_error("write", &path, e))?;
    Ok(id)
}

fn remove(path: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_error("remove", path, e)),
        _ => Ok(()),
    }
}

/// Makes a directory for us alone.
pub(crate) fn make_dir(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

pub(crate) fn io_error(what: &'static str, path: &Path, source: std::io::Error) -> EngineError {
    EngineError::Io { what, path: path.into(), source }
}

#[cfg(test)]
mod tests {
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
    fn what_a_crash_left_half_fetched_goes() {
        let (_home, folder) = folder();
        let left = folder.aside().unwrap().keep();
        fs::write(left.join("half"), "1").unwrap();
        folder.sweep();
        assert!(!left.exists() && folder.workspace().exists() && folder.gateway().exists());
    }
}
