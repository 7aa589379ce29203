//! Puts a backup where an orchestrator finds it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use types::JobStatus;

use super::manifest::Manifest;
use super::{Backup, BackupError, STORE, file};
use crate::folders::Folders;

/// What may be in a data directory that nobody has used: the lock, and settings.
const ALLOWED: &[&str] = &["lock", "cagent.toml"];

/// Checks a backup and puts it into these directories, which must be empty or not there. The store
/// comes last: until then nothing of it counts. Blocks.
///
/// # Errors
/// When the backup is damaged, or the directories have something; they are left as they were.
pub fn restore(from: &Path, data: &Path, output: &Path) -> Result<Backup, BackupError> {
    let manifest = Manifest::checked(from)?;
    let jobs = store::check(&from.join(STORE))?;
    unused(data, output)?;
    let folders = Folders::claim(data, output)?;
    let placed = place(&manifest, from, &folders);
    if placed.is_err() {
        drop(fs::remove_dir_all(folders.all_inputs()));
        jobs.iter().for_each(|job| drop(fs::remove_dir_all(folders.of_job(job.id))));
        drop(fs::remove_file(unfinished(&folders)));
    }
    placed?;
    let count = |which: &[JobStatus]| jobs.iter().filter(|job| which.contains(&job.status)).count();
    Ok(Backup {
        jobs: jobs.len() as u64,
        begun: count(&[JobStatus::Starting, JobStatus::Running]) as u64,
        queued: count(&[JobStatus::Scheduled]) as u64,
        files: manifest.files().len() as u64,
        bytes: manifest.bytes(),
        ..Backup::default()
    })
}

fn place(manifest: &Manifest, from: &Path, folders: &Folders) -> Result<(), BackupError> {
    for entry in manifest.files() {
        let (path, to) = (from.join(&entry.path), place_of(&entry.path, folders));
        let to =
            to.ok_or_else(|| BackupError::damaged(&path, "nothing of that name is in a backup"))?;
        let copied = file::copy(&path, &to, u64::MAX).map_err(BackupError::io("write", &to))?;
        if !entry.is(&copied) {
            return Err(BackupError::damaged(&path, "it changed while it was copied"));
        }
    }
    for root in folders.roots() {
        let synced = File::open(&root).and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
        synced.map_err(BackupError::io("write", &root))?;
    }
    let (unfinished, store) = (unfinished(folders), folders.store());
    let named = fs::rename(unfinished, &store);
    let synced = named.and_then(|()| match store.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    });
    synced.map_err(BackupError::io("write", &store))
}

/// Where a file of a backup belongs.
fn place_of(path: &str, folders: &Folders) -> Option<PathBuf> {
    if path == STORE {
        return Some(unfinished(folders));
    }
    let (kind, rest) = path.split_once('/')?;
    let (job, name) = rest.split_once('/')?;
    let job = job.parse().ok()?;
    match kind {
        "jobs" => Some(folders.of_job(job).join(name)),
        "inputs" => Some(folders.inputs(job).join(name)),
        _ => None,
    }
}

/// The store until everything else is there.
fn unfinished(folders: &Folders) -> PathBuf {
    folders.store().with_extension("restored")
}

fn unused(data: &Path, output: &Path) -> Result<(), BackupError> {
    let inside = output.strip_prefix(data).ok().and_then(|path| path.iter().next());
    let entries = |dir: &Path| match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(vec![]),
        Err(e) => Err(BackupError::io("list", dir)(e)),
        Ok(entries) => {
            let all = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
            all.map_err(BackupError::io("list", dir))
        }
    };
    let refuse = |dir: &Path, entry: std::ffi::OsString| BackupError::NotEmpty {
        path: dir.into(),
        entry: entry.to_string_lossy().into_owned(),
    };
    let is_ours = |name: &std::ffi::OsString| {
        Some(&**name) == inside || ALLOWED.iter().any(|allowed| *name == **allowed)
    };
    if let Some(entry) = entries(data)?.into_iter().find(|name| !is_ours(name)) {
        return Err(refuse(data, entry));
    }
    match entries(output)?.into_iter().next() {
        Some(entry) => Err(refuse(output, entry)),
        None => Ok(()),
    }
}
