use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use types::{JobId, Stream};

/// The lock file's name.
const LOCK: &str = "lock";

/// Where everything lies. Holds the lock on the data directory as long as it lives: on the directory
/// itself, so that nobody loses it who removes files, and on the file in it, which says who has it.
///
/// ```text
/// <data>/lock       held by the orchestrator; one line: who and where
/// <data>/local.key  a key to the API for the directory's owner, made anew at each start
/// <data>/session.key what sessions of browsers are signed with
/// <data>/cagent.db  the store
/// <data>/clock.json when the time was looked at last, so that it is known if somebody set it
/// <data>/staging/, <data>/inputs/<job>/   input files of jobs that have not begun
/// <output>/<job>/   output.zip, stdout.log, stderr.log
/// ```
#[derive(Clone, Debug)]
pub struct Folders {
    data: PathBuf,
    output: PathBuf,
    lock: Arc<File>,
    _directory: Arc<File>,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("use the directory {}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another orchestrator has it.
    #[error(
        "another cagent is using the data directory {}{}; stop it, use it with --server, or choose another --data-dir",
        path.display(),
        owner.as_deref().map(|owner| format!(" ({owner})")).unwrap_or_default()
    )]
    InUse {
        /// Which.
        path: PathBuf,
        /// What the other one wrote into the lock file.
        owner: Option<String>,
    },
    /// The store could not be opened.
    #[error("open the store: {0}")]
    Store(#[from] store::StoreError),
}

/// What the orchestrator that has this data directory announced about itself; none if nobody has
/// it. Holds the lock for a moment itself, so who wants it should try twice.
///
/// # Errors
/// When the lock file is there and cannot be read.
pub fn owner(data: &Path) -> Result<Option<String>, OpenError> {
    holder(data).map_err(|source| OpenError::Directory { path: data.into(), source })
}

fn holder(data: &Path) -> std::io::Result<Option<String>> {
    let directory = match File::open(data) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let is_held = matches!(directory.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut lock = match File::open(data.join(LOCK)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(is_held.then(String::new)),
        opened => opened?,
    };
    // Earlier versions hold this one only.
    match lock.try_lock_shared() {
        Ok(()) if !is_held => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(e),
        Ok(()) | Err(TryLockError::WouldBlock) => {}
    }
    let mut line = String::new();
    lock.read_to_string(&mut line)?;
    Ok(Some(line.trim().into()))
}

/// Locks the data directory itself.
fn lock_directory(data: &Path) -> Result<Arc<File>, OpenError> {
    let failed = |source| OpenError::Directory { path: data.into(), source };
    let directory = File::open(data).map_err(failed)?;
    match directory.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let owner = std::fs::read_to_string(data.join(LOCK)).unwrap_or_default();
            let owner = Some(owner.trim().to_owned()).filter(|owner| !owner.is_empty());
            Err(OpenError::InUse { path: data.into(), owner })
        }
        // A file system that can lock files only (NFS): the file in it has to do.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Arc::new(directory)),
    }
}

impl Folders {
    /// Makes the directories and takes the lock, for as long as this lives. Nothing in the data
    /// directory may be touched before.
    ///
    /// # Errors
    /// When the directories cannot be used, or another orchestrator has them.
    pub fn claim(data: &Path, output: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Directory { path, source }
        };
        make_private(data).map_err(failed(data))?;
        make_private(output).map_err(failed(output))?;
        let _directory = lock_directory(data)?;
        let path = data.join(LOCK);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&path).map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let read = lock.read_to_string(&mut owner);
                let owner = read.ok().map(|_| owner.trim().to_owned()).filter(|o| !o.is_empty());
                return Err(OpenError::InUse { path: data.into(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(OpenError::Directory { path, source }),
        }
        Ok(Self { data: data.into(), output: output.into(), lock: Arc::new(lock), _directory })
    }

    /// Where everything lies that somebody else may have, to be read; none if nobody ever had it.
    pub(crate) fn of_another(data: &Path, output: &Path) -> Result<Option<Self>, OpenError> {
        let path = data.join(LOCK);
        match File::open(&path) {
            Ok(lock) => {
                let lock = Arc::new(lock);
                let _directory = lock.clone();
                Ok(Some(Self { data: data.into(), output: output.into(), lock, _directory }))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Directory { path, source }),
        }
    }

    /// Writes who has the lock and where to find them, one line, for [`owner`] and
    /// [`OpenError::InUse`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, text: &str) -> std::io::Result<()> {
        let mut lock = &*self.lock;
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{text}")?;
        lock.flush()
    }

    pub(crate) fn local_key(&self) -> PathBuf {
        local_key(&self.data)
    }

    /// What sessions of browsers are signed with.
    pub(crate) fn session_key(&self) -> PathBuf {
        self.data.join("session.key")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.data.join("cagent.db")
    }

    /// What is known of the clock.
    pub(crate) fn clock(&self) -> PathBuf {
        self.data.join("clock.json")
    }

    /// What has to have room.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        vec![self.data.clone(), self.output.clone()]
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.data.join("staging")
    }

    pub(crate) fn all_inputs(&self) -> PathBuf {
        self.data.join("inputs")
    }

    pub(crate) fn inputs(&self, job: JobId) -> PathBuf {
        self.all_inputs().join(job.to_string())
    }

    pub(crate) fn of_job(&self, job: JobId) -> PathBuf {
        self.output.join(job.to_string())
    }

    /// Makes the job's own folder, if it is not there.
    pub(crate) fn make_for_job(&self, job: JobId) -> Result<(), OpenError> {
        let path = self.of_job(job);
        make_private(&path).map_err(|source| OpenError::Directory { path, source })
    }

    pub(crate) fn zip(&self, job: JobId) -> PathBuf {
        self.of_job(job).join("output.zip")
    }

    pub(crate) fn log(&self, job: JobId, stream: Stream) -> PathBuf {
        self.of_job(job).join(format!("{}.log", stream.as_str()))
    }
}

/// Where the key of the orchestrator that has this data directory is.
pub(crate) fn local_key(data: &Path) -> PathBuf {
    data.join("local.key")
}

/// Prompts and results are nobody else's business.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
