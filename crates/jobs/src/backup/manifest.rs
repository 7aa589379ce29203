//! What a backup says of itself.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::{self, Facts};
use super::{BackupError, STORE};

/// Its name in a backup.
const NAME: &str = "manifest.json";

/// How backups are laid out today.
const FORMAT: u32 = 1;

/// The list of all that is in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// Which version made it.
    cagent: String,
    made: Timestamp,
    files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new() -> Self {
        let cagent = env!("CARGO_PKG_VERSION").into();
        Self { format: FORMAT, cagent, made: Timestamp::now(), files: vec![] }
    }

    /// Has it list a file, by its path in the backup.
    pub(super) fn add(&mut self, path: String, Facts { bytes, sha256 }: Facts) {
        self.files.push(Entry { path, bytes, sha256 });
    }

    /// Forgets the files of a folder.
    pub(super) fn drop_beneath(&mut self, folder: &str) {
        self.files.retain(|entry| !entry.path.starts_with(folder));
    }

    pub(super) fn files(&self) -> &[Entry] {
        &self.files
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }

    pub(super) fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(NAME);
        let written = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            serde_json::to_writer_pretty(&file, self)?;
            file.write_all(b"\n")
        };
        written().map_err(BackupError::io("write", &path))
    }

    /// Reads it, and sees whether everything is there that it lists.
    pub(super) fn checked(backup: &Path) -> Result<Self, BackupError> {
        let path = backup.join(NAME);
        let file = File::open(&path).map_err(BackupError::io("read", &path))?;
        let no_manifest = |e: serde_json::Error| BackupError::damaged(&path, e.to_string());
        let manifest: Self = serde_json::from_reader(BufReader::new(file)).map_err(no_manifest)?;
        if manifest.format != FORMAT {
            let why = format!(
                "made by cagent {}, in a form that this one does not know",
                manifest.cagent
            );
            return Err(BackupError::damaged(&path, why));
        }
        if !manifest.files.iter().any(|entry| entry.path == STORE) {
            return Err(BackupError::damaged(&path, "it lists no store"));
        }
        manifest.files.iter().try_for_each(|entry| entry.check(backup))?;
        Ok(manifest)
    }
}

impl Entry {
    fn check(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(&self.path);
        let within = |part| matches!(part, Component::Normal(_));
        if !Path::new(&self.path).components().all(within) {
            return Err(BackupError::damaged(&path, "its path leads out of the backup"));
        }
        let meta = fs::symlink_metadata(&path).map_err(BackupError::io("look at", &path))?;
        if !meta.is_file() {
            return Err(BackupError::damaged(&path, "it is no file"));
        }
        let found = file::facts(&path).map_err(BackupError::io("read", &path))?;
        self.is(&found).then_some(()).ok_or_else(|| {
            let Self { bytes, sha256, .. } = self;
            let (size, hash) = (found.bytes, found.sha256);
            let why = format!(
                "it has {size} bytes and SHA-256 {hash}; the manifest says {bytes} and {sha256}"
            );
            BackupError::damaged(&path, why)
        })
    }

    /// Whether that is what it was.
    pub(super) fn is(&self, found: &Facts) -> bool {
        (self.bytes, &self.sha256) == (found.bytes, &found.sha256)
    }
}
