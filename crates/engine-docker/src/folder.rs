//! What lies in a sandbox's folder, `<home>/<job>/`.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::{Ended, EngineError, Moment, SandboxEnd};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// Whether the job's files are in a volume.
const BRIDGED: &str = "bridged.json";

/// When the container was told to start, a [`Moment`].
const STARTED: &str = "started";

/// Why we end it, a [`SandboxEnd`]; written before we do.
const INTENT: &str = "intent.json";

/// How it ended, an [`Ended`]; written last.
const ENDED: &str = "ended.json";

/// There once the daemon may have been told to remove the container.
const GOING: &str = "going";

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

    /// By which way the job's files are reached.
    pub(crate) fn note_way(&self, bridged: bool) -> Result<(), EngineError> {
        self.write(BRIDGED, &bridged)
    }

    /// Whether the job's files are in a volume.
    pub(crate) fn is_bridged(&self) -> bool {
        self.read(BRIDGED).unwrap_or(false)
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
        for name in [STARTED, INTENT, ENDED, GOING] {
            let path = self.0.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(io_error("remove", &path, e));
                }
                _ => {}
            }
        }
        remove(&gateway)?;
        make_dir(&gateway).map_err(|e| io_error("create", &gateway, e))
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

    /// Whoever tells the daemon to remove its container may not be there any more when it does: notes
    /// that first. Without a byte, for a full disk.
    pub(crate) fn note_going(&self) {
        match File::create(self.0.join(GOING)) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                tracing::warn!("could not note in {} that it is removed: {e}", self.0.display());
            }
            _ => {}
        }
    }

    pub(crate) fn is_going(&self) -> bool {
        self.0.join(GOING).exists()
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

/// The name by which this data directory's containers are told from others', made once; a copy of the
/// directory gets one of its own.
pub(crate) fn owner(home: &Path) -> Result<String, EngineError> {
    let (path, of) = (home.join("owner"), home.join("owner-of"));
    let identity = engine::identity(home).map_err(|e| io_error("look at", home, e))?;
    // The first ones did not say which directory they named.
    let is_copy = read_if_there(&of)?.is_some_and(|of| of != identity);
    let known = read_if_there(&path)?.filter(|id| !is_copy && is_id(id));
    let id = known.unwrap_or_else(|| {
        uuid::Uuid::now_v7().simple().to_string().chars().rev().take(12).collect()
    });
    // In this order: what a crash leaves in between is taken for a copy, which has no containers yet.
    replace(&path, &id)?;
    replace(&of, &identity)?;
    Ok(id)
}

fn is_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_if_there(path: &Path) -> Result<Option<String>, EngineError> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|e| io_error("read", path, e)),
    }
}

/// All or nothing.
fn replace(path: &Path, text: &str) -> Result<(), EngineError> {
    if read_if_there(path)?.as_deref() == Some(text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|e| io_error("write", path, e))
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
    fn a_copy_of_a_data_directory_is_another_owner() {
        let all = tempfile::tempdir().unwrap();
        let [home, copy, moved] = ["home", "copy", "moved"].map(|name| all.path().join(name));
        fs::create_dir(&home).unwrap();
        let id = owner(&home).unwrap();
        assert_eq!(owner(&home).unwrap(), id);
        fs::create_dir(&copy).unwrap();
        for name in ["owner", "owner-of"] {
            fs::copy(home.join(name), copy.join(name)).unwrap();
        }
        let other = owner(&copy).unwrap();
        assert_ne!(other, id);
        assert_eq!(owner(&copy).unwrap(), other, "it keeps its own");
        fs::rename(&home, &moved).unwrap();
        assert_eq!(owner(&moved).unwrap(), id);
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
        let new = Folder::of(home.path(), JobId::generate());
        old.hand_over(&new).unwrap();
        for _ in 0..2 {
            new.renew().unwrap();
            assert!(!old.exists() && !new.was_started() && new.intent().is_none());
            assert!(new.workspace().join("made").exists() && new.gateway().is_dir());
            assert!(!new.workspace().join("given").exists() && !new.result().exists());
        }
    }

    #[test]
    fn a_folder_goes_though_somebody_writes_into_it() {
        let (_home, folder) = folder();
        let (workspace, end) = (folder.workspace(), Instant::now() + Duration::from_millis(200));
        let writing = std::thread::spawn(move || {
            let mut written = 0_u32;
            while Instant::now() < end {
                let made = fs::create_dir_all(&workspace);
                written += u32::from(made.and_then(|()| File::create(workspace.join("x"))).is_ok());
            }
            written
        });
        while !folder.workspace().join("x").exists() {}
        let removed = folder.remove();
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
