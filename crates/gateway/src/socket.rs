//! A gateway's socket: made when it is opened, and again when somebody takes its file away. Who is
//! connected stays so; but without the file nobody could come back.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::SOCKET_NAME;
use rustix::fs::{AtFlags, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// How often to look whether the file is there while nobody calls.
const LOOK: Duration = Duration::from_secs(1);

/// What names a file whatever its path.
type Inode = (u64, u64);

#[derive(Debug)]
pub(crate) struct Socket {
    dir: PathBuf,
    listener: UnixListener,
    file: Option<Inode>,
}

impl Socket {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let listener = bind(dir)?;
        Ok(Self { dir: dir.into(), listener, file: inode(dir) })
    }

    /// Who calls next.
    pub(crate) async fn accept(&mut self) -> io::Result<UnixStream> {
        loop {
            if let Ok(accepted) = timeout(LOOK, self.listener.accept()).await {
                return accepted.map(|(stream, _)| stream);
            }
            if self.file.is_none() || self.file != inode(&self.dir) {
                self.make_again();
            }
        }
    }

    fn make_again(&mut self) {
        match Self::open(&self.dir) {
            Ok(again) => {
                tracing::warn!("made the gateway in {} again", self.dir.display());
                *self = again;
            }
            // The sandbox is being removed, or the disk is full: the next look tries again.
            Err(e) => tracing::debug!("make the gateway in {} again: {e}", self.dir.display()),
        }
    }
}

fn inode(dir: &Path) -> Option<Inode> {
    let found = std::fs::symlink_metadata(dir.join(SOCKET_NAME)).ok()?;
    Some((found.dev(), found.ino()))
}

/// Binds by way of the directory's descriptor: a socket's path may have 108 bytes only, a data
/// directory's may have more.
fn bind(dir: &Path) -> io::Result<UnixListener> {
    let folder =
        rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::fs::unlinkat(&folder, SOCKET_NAME, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(e.into()),
    }
    let through = format!("/proc/self/fd/{}/{SOCKET_NAME}", folder.as_raw_fd());
    let listener = UnixListener::bind(&through)?;
    // The directory decides who reaches it (0700, agentd's); the socket itself is open.
    rustix::fs::chmodat(&folder, SOCKET_NAME, Mode::from_raw_mode(0o666), AtFlags::empty())?;
    Ok(listener)
}
