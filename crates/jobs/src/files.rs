//! A job's files, wherever they are just now: waiting to become its workspace, in its workspace, or
//! in its ZIP.

use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::PathBuf;

use artifacts::{AccessError, Content, Listing, Tree, WorkspacePath, Zipped};
use bytes::Bytes;
use engine::{EngineError, Workspace};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use store::StoreError;
use tokio::sync::Semaphore;
use types::{JobId, JobRecord, JobStatus};

use crate::lease::{Held, Use};
use crate::room::NoRoom;
use crate::service::{Inner, Jobs};
use crate::upload::{FileWriter, Home};

/// The most entries of a directory that are shown: some megabytes as JSON.
pub const MAX_LISTED: usize = 10_000;

/// How much of a file is read at one time.
const PIECE: usize = 64 * 1024;

/// How many look for something at one time: the list of what is in a large ZIP takes some tens of
/// megabytes.
static LOOKERS: Semaphore = Semaphore::const_new(8);

/// Why a job's files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// No such job.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// The job has no such file; or only behind a link, and those are not followed.
    #[error("there is no such file")]
    NoSuchFile,
    /// A file is wanted and there is a directory, a link or a device.
    #[error("it is no regular file")]
    NotAFile,
    /// A directory is wanted and there is something else.
    #[error("it is no directory")]
    NotADirectory,
    /// Nothing can be written any more.
    #[error("the job is over")]
    Over,
    /// The sandbox is just being made.
    #[error("the job is just starting; its workspace is there in a moment")]
    NotYet,
    /// The host does not see the files, only a copy of them.
    #[error(
        "the files of this job are on another machine while it runs, and cannot be written there"
    )]
    Elsewhere,
    /// More than the job's `limits.disk_bytes` leaves.
    #[error("this is more than the job's limits.disk_bytes leaves room for ({most} bytes)")]
    TooLarge {
        /// The most there may be, in bytes.
        most: u64,
    },
    /// Too many input files.
    #[error("a job may have at most {most} input files")]
    TooMany {
        /// The most there may be.
        most: u64,
    },
    /// The server's disk is full.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The store failed; the text is for the log, not for the client.
    #[error("read the job: {0}")]
    Store(#[source] StoreError),
    /// The system failed; the text is for the log, not for the client.
    #[error("use the job's files: {0}")]
    Io(#[from] io::Error),
    /// The engine does not answer just now.
    #[error("{0}")]
    Away(#[source] EngineError),
    /// The engine failed; the text is for the log, not for the client.
    #[error("use the job's workspace: {0}")]
    Engine(#[source] EngineError),
}

impl From<EngineError> for FilesError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable { .. } | EngineError::Away { .. } => Self::Away(error),
            error => Self::Engine(error),
        }
    }
}

impl From<AccessError> for FilesError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NoSuchFile => Self::NoSuchFile,
            AccessError::NotAFile => Self::NotAFile,
            AccessError::NotADirectory => Self::NotADirectory,
            AccessError::Io(e) => Self::Io(e),
        }
    }
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(job) => Self::NotFound(job),
            error => Self::Store(error),
        }
    }
}

/// One file, open to be read.
#[derive(Debug)]
pub struct FileContent {
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Whether it cannot change any more: the job is over.
    pub is_final: bool,
    content: Held<Content>,
}

impl Jobs {
    /// What is in a directory of a job's workspace, or of its ZIP once it is over.
    ///
    /// # Errors
    /// When there is no such job or directory.
    pub async fn files(&self, job: JobId, dir: &WorkspacePath) -> Result<Listing, FilesError> {
        let (place, dir) =
            (self.inner.place(&self.inner.store.job(job).await?).await?, dir.clone());
        let _turn = LOOKERS.acquire().await.map_err(io::Error::other)?;
        blocking(move || place.list(&dir)).await
    }

    /// One file of a job's workspace, or of its ZIP once it is over.
    ///
    /// # Errors
    /// When there is no such job or file.
    pub async fn read_file(
        &self,
        job: JobId,
        path: &WorkspacePath,
    ) -> Result<FileContent, FilesError> {
        let record = self.inner.store.job(job).await?;
        let (place, path) = (self.inner.place(&record).await?, path.clone());
        let is_final = matches!(place, Place::Zip(_));
        let content = {
            let _turn = LOOKERS.acquire().await.map_err(io::Error::other)?;
            blocking(move || place.read(&path)).await?
        };
        let (bytes, modified) = (content.bytes, content.modified);
        let content = Held::new(content);
        if !is_final {
            self.inner.lend(job, &content, Use::Reading);
        }
        Ok(FileContent { bytes, modified, is_final, content })
    }

    /// Begins to write a file: an input of a job that is `scheduled`, or into the workspace of one
    /// that is `running`. It appears, or replaces what has its name, when the writer has finished.
    ///
    /// # Errors
    /// When there is no such job or it is over, or the path leads over a file or is a directory's.
    pub async fn write_file(
        &self,
        job: JobId,
        path: &WorkspacePath,
    ) -> Result<FileWriter, FilesError> {
        let record = self.inner.store.job(job).await?;
        let most = record.spec.limits.disk_bytes;
        let (tree, home) = self.inner.open_to_write(&record).await?;
        let lend = matches!(home, Home::Workspace);
        let writer = FileWriter::begin(tree, path.clone(), most, home).await?;
        if lend {
            self.inner.lend(job, writer.held(), Use::Writing);
        }
        Ok(writer)
    }
}

impl FileContent {
    /// The bytes of a range, in pieces. Ends with an error if the file became shorter meanwhile,
    /// or its workspace goes.
    pub fn stream(
        self,
        range: Range<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let start = (self.content, range.start, range.end.saturating_sub(range.start));
        stream::try_unfold(start, |(content, skip, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let piece = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let from = content.clone();
            let read = move || from.with(|content| Ok(read_piece(content, skip, piece)?));
            let bytes = blocking(read).await.map_err(io::Error::other)?;
            let left = left - bytes.len() as u64;
            Ok(Some((bytes, (content, 0, left))))
        })
    }
}

/// Reads exactly so much, after leaving some out.
fn read_piece(content: &mut Content, skip: u64, bytes: usize) -> io::Result<Bytes> {
    if skip > 0 {
        content.skip(skip)?;
    }
    let mut piece = vec![0; bytes];
    content.read_exact(&mut piece)?;
    Ok(piece.into())
}

/// Where a job's files are.
enum Place {
    Directory(Workspace),
    Zip(PathBuf),
    Nowhere,
}

impl Place {
    fn list(&self, dir: &WorkspacePath) -> Result<Listing, FilesError> {
        Ok(match self {
            Self::Directory(tree) => Tree::new(tree.as_fd()).list(dir, MAX_LISTED)?,
            Self::Zip(path) => Zipped::open(path)?.list(dir, MAX_LISTED)?,
            Self::Nowhere if *dir == WorkspacePath::root() => Listing::default(),
            Self::Nowhere => return Err(FilesError::NoSuchFile),
        })
    }

    fn read(&self, path: &WorkspacePath) -> Result<Content, FilesError> {
        Ok(match self {
            Self::Directory(tree) => Tree::new(tree.as_fd()).read(path)?,
            Self::Zip(zip) => Zipped::open(zip)?.read(path)?,
            Self::Nowhere => return Err(FilesError::NoSuchFile),
        })
    }
}

impl Inner {
    async fn place(&self, record: &JobRecord) -> Result<Place, FilesError> {
        if record.zip_bytes.is_some() {
            return Ok(Place::Zip(self.folders.zip(record.id)));
        }
        match record.status {
            JobStatus::Scheduled | JobStatus::Starting => {
                match Workspace::open(&self.folders.inputs(record.id)) {
                    Ok(inputs) => Ok(Place::Directory(inputs)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Place::Nowhere),
                    Err(e) => Err(e.into()),
                }
            }
            JobStatus::Running | JobStatus::Packaging => {
                let workspace = self.open_workspace(record).await?;
                Ok(workspace.map_or(Place::Nowhere, Place::Directory))
            }
            JobStatus::Complete | JobStatus::Error | JobStatus::Cancelled => Ok(Place::Nowhere),
        }
    }

    /// None if it is gone.
    async fn open_workspace(&self, record: &JobRecord) -> Result<Option<Workspace>, FilesError> {
        let Some(engine) = self.engine(&record.spec.engine) else { return Ok(None) };
        match engine.workspace(record.id).await {
            Ok(workspace) => Ok(Some(workspace)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn open_to_write(&self, record: &JobRecord) -> Result<(Workspace, Home), FilesError> {
        match record.status {
            JobStatus::Scheduled => {
                self.room.check()?;
                // Nobody knows it any more: it came to its end meanwhile.
                let inputs = self.inputs(record.id).ok_or(FilesError::Over)?;
                let folder = inputs.folder(&self.folders.inputs(record.id))?;
                Ok((folder, Home::Inputs { inputs, room: self.room.clone(), is_accepted: true }))
            }
            JobStatus::Starting => Err(FilesError::NotYet),
            JobStatus::Running => {
                let workspace = self.open_workspace(record).await?.ok_or(FilesError::Over)?;
                if workspace.is_copy() {
                    return Err(FilesError::Elsewhere);
                }
                Ok((workspace, Home::Workspace))
            }
            _ => Err(FilesError::Over),
        }
    }
}

/// Runs what may block on a thread for that.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, FilesError> + Send + 'static,
) -> Result<R, FilesError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
