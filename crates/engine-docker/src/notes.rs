//! What is noted in a sandbox's folder, for whoever goes on with it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::time::Duration;

use engine::{Ended, EngineError, Moment, SandboxEnd};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::{Folder, io_error, is_there};
use crate::owner::{fresh_id, is_id};

/// Whether the job's files are in a volume.
const BRIDGED: &str = "bridged.json";

/// When the container was told to start, a [`Moment`].
const STARTED: &str = "started";

/// Why we end it, a [`SandboxEnd`]; written before we do.
const INTENT: &str = "intent.json";

/// How it ended, an [`Ended`]; written last.
const ENDED: &str = "ended.json";

/// Which try its container is from: a link to the try's id, so that there is no half of it, and that a
/// full disk has room for it.
const TRY: &str = "try";

/// The same, once the daemon may have been told to remove that container.
const LAST_TRY: &str = "last-try";

impl Folder {
    /// By which way the job's files are reached.
    pub(crate) fn note_way(&self, bridged: bool) -> Result<(), EngineError> {
        self.write(BRIDGED, &bridged)
    }

    /// Whether the job's files are in a volume.
    pub(crate) fn is_bridged(&self) -> bool {
        self.read(BRIDGED).unwrap_or(false)
    }

    pub(crate) fn was_started(&self) -> Result<bool, EngineError> {
        is_there(&self.at(STARTED))
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

    /// Before the daemon is told to make its container: the id that this one has, and no other ever had.
    pub(crate) fn begin_try(&self) -> Result<String, EngineError> {
        let (id, path) = (fresh_id(), self.at(TRY));
        symlink(&id, &path).map_err(|e| io_error("make", &path, e))?;
        Ok(id)
    }

    /// Before the daemon is told to remove its container: who tells it may not be there any more when it
    /// does.
    pub(crate) fn end_try(&self) -> Result<(), EngineError> {
        let path = self.at(TRY);
        match fs::rename(&path, self.at(LAST_TRY)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(io_error("rename", &path, e)),
            _ => Ok(()),
        }
    }

    /// The id of the try that its container is from.
    pub(crate) fn this_try(&self) -> Result<Option<String>, EngineError> {
        self.id(TRY)
    }

    /// That of the one before, of which something may be left.
    pub(crate) fn last_try(&self) -> Result<Option<String>, EngineError> {
        self.id(LAST_TRY)
    }

    /// None only if none is noted: what cannot be read may name what runs.
    fn id(&self, name: &str) -> Result<Option<String>, EngineError> {
        let path = self.at(name);
        let found = match fs::read_link(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|e| io_error("read", &path, e))?,
        };
        let id = found.to_str().filter(|id| is_id(id)).map(Into::into);
        id.map(Some).ok_or_else(|| io_error("read", &path, ErrorKind::InvalidData.into()))
    }

    /// Forgets what became of a sandbox.
    pub(crate) fn forget(&self) -> Result<(), EngineError> {
        for path in [STARTED, INTENT, ENDED, LAST_TRY].map(|name| self.at(name)) {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(io_error("remove", &path, e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// All or nothing, so that a crash leaves no half a file.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), EngineError> {
        let (path, new) = (self.at(name), self.at(&format!(".{name}.new")));
        let bytes = serde_json::to_vec(value).map_err(|e| io_error("write", &path, e.into()))?;
        let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path));
        written.map_err(|e| io_error("write", &path, e))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.at(name)).ok()?).ok()
    }
}
