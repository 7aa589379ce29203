//! Makes a backup.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use store::{CopiedJob, Copy};
use types::{JobStatus, Stream};

use super::manifest::Manifest;
use super::{Backup, BackupError, STORE, file};
use crate::folders::{Folders, make_private};

/// How long a job may take to be forgotten, from its first file to its record.
const FORGET_PATIENCE: Duration = Duration::from_secs(10);
const FORGET_POLL: Duration = Duration::from_millis(50);

/// Copies what is kept in these directories, also while an orchestrator has them, to a new one, which
/// is there as a whole or not at all. Blocks.
///
/// # Errors
/// When something cannot be copied; nothing is left then.
pub fn backup(data: &Path, output: &Path, to: &Path) -> Result<Backup, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.into()));
    }
    let folders =
        Folders::of_another(data, output)?.ok_or_else(|| BackupError::Nothing(data.into()))?;
    let unfinished = beside(to)?;
    let made = make(&folders, &unfinished).and_then(|made| {
        fs::rename(&unfinished, to).map_err(BackupError::io("name", to))?;
        synced(to.parent()).map_err(BackupError::io("write", to))?;
        Ok(made)
    });
    if made.is_err() {
        drop(fs::remove_dir_all(&unfinished));
    }
    made
}

/// Where a backup is until it is whole.
fn beside(to: &Path) -> Result<PathBuf, BackupError> {
    let no_name = || BackupError::damaged(to, "that is no name for a new directory");
    let name = to.file_name().ok_or_else(no_name)?.to_string_lossy();
    Ok(to.with_file_name(format!(".{name}.unfinished-{}", std::process::id())))
}

fn make(folders: &Folders, to: &Path) -> Result<Backup, BackupError> {
    make_private(to).map_err(BackupError::io("make", to))?;
    let store = to.join(STORE);
    let copy = Copy::make(&folders.store(), &store)?;
    let mut maker =
        Maker { folders, copy, to: to.into(), manifest: Manifest::new(), made: Backup::default() };
    for job in maker.copy.jobs()? {
        maker.job(&job)?;
    }
    let Maker { copy, mut manifest, mut made, .. } = maker;
    drop(copy);
    let facts = file::facts(&store).map_err(BackupError::io("read", &store))?;
    manifest.add(STORE.into(), facts);
    manifest.write(to)?;
    File::open(to)
        .and_then(|dir| Ok(rustix::fs::syncfs(dir)?))
        .map_err(BackupError::io("write", to))?;
    (made.files, made.bytes) = (manifest.files().len() as u64, manifest.bytes());
    Ok(made)
}

struct Maker<'a> {
    folders: &'a Folders,
    copy: Copy,
    to: PathBuf,
    manifest: Manifest,
    made: Backup,
}

impl Maker<'_> {
    fn job(&mut self, job: &CopiedJob) -> Result<(), BackupError> {
        self.made.jobs += 1;
        match job.status {
            JobStatus::Scheduled => self.waiting(job),
            JobStatus::Starting => self.begun(job),
            _ => self.results(job),
        }
    }

    /// A job that may have begun since the store was copied: then its inputs are not whole.
    fn waiting(&mut self, job: &CopiedJob) -> Result<(), BackupError> {
        let from = self.folders.inputs(job.id);
        let files = file::beneath(&from).unwrap_or_default();
        let mut copied = vec![];
        for path in files {
            let name = path.strip_prefix(&from).unwrap_or(&path).to_string_lossy().into_owned();
            let name = format!("inputs/{}/{name}", job.id);
            match file::copy(&path, &self.to.join(&name), u64::MAX) {
                Ok(facts) => copied.push((name, facts)),
                Err(e) if e.kind() == ErrorKind::NotFound => break,
                Err(e) => return Err(BackupError::io("copy", &path)(e)),
            }
        }
        if self.copy.is_still(job)? {
            copied.into_iter().for_each(|(name, facts)| self.manifest.add(name, facts));
            self.made.queued += 1;
            return Ok(());
        }
        let inputs = self.to.join(format!("inputs/{}", job.id));
        match fs::remove_dir_all(&inputs) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(BackupError::io("remove", &inputs)(e)),
            _ => self.begun(job),
        }
    }

    /// A job whose sandbox is somewhere else, and must not be made a second time.
    fn begun(&mut self, job: &CopiedJob) -> Result<(), BackupError> {
        self.made.begun += 1;
        Ok(self.copy.interrupt(job.id)?)
    }

    /// What a job has written by the time of the copy; all of it if it is over, since earlier versions
    /// forgot how much that is.
    fn results(&mut self, job: &CopiedJob) -> Result<(), BackupError> {
        let over = job.status.is_final();
        let mut missing = vec![];
        let logs = [(Stream::Stdout, job.stdout_bytes), (Stream::Stderr, job.stderr_bytes)];
        for (stream, bytes) in logs {
            let path = self.folders.log(job.id, stream);
            let most = if over { u64::MAX } else { bytes };
            if most > 0 && !self.result(job, &path, most)? && bytes > 0 {
                missing.push(path);
            }
        }
        if let Some(bytes) = job.zip_bytes {
            let path = self.folders.zip(job.id);
            // Looked for again: a job that is being forgotten may have lost a log before its ZIP.
            if !self.result(job, &path, bytes)? || !path.exists() {
                missing.push(path);
            }
        }
        if over && !missing.is_empty() && self.is_forgotten(job)? {
            return self.forget(job);
        }
        self.made.begun += u64::from(job.status == JobStatus::Running);
        self.made.missing.extend(missing);
        Ok(())
    }

    /// Copies one file of a job; false if it is not there.
    fn result(&mut self, job: &CopiedJob, path: &Path, most: u64) -> Result<bool, BackupError> {
        let Some(name) = path.file_name() else { return Ok(false) };
        let name = format!("jobs/{}/{}", job.id, name.to_string_lossy());
        match file::copy(path, &self.to.join(&name), most) {
            Ok(facts) => self.manifest.add(name, facts),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(BackupError::io("copy", path)(e)),
        }
        Ok(true)
    }

    /// Whether a job that has no files any more is about to have no record, either.
    fn is_forgotten(&self, job: &CopiedJob) -> Result<bool, BackupError> {
        let began = Instant::now();
        while self.copy.is_still(job)? {
            if began.elapsed() > FORGET_PATIENCE {
                return Ok(false);
            }
            std::thread::sleep(FORGET_POLL);
        }
        Ok(true)
    }

    fn forget(&mut self, job: &CopiedJob) -> Result<(), BackupError> {
        let folder = format!("jobs/{}/", job.id);
        self.manifest.drop_beneath(&folder);
        match fs::remove_dir_all(self.to.join(&folder)) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(BackupError::io("remove", &self.to.join(&folder))(e));
            }
            _ => {}
        }
        self.made.jobs -= 1;
        self.made.forgotten.push(job.id);
        Ok(self.copy.forget(job.id)?)
    }
}

fn synced(dir: Option<&Path>) -> io::Result<()> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
