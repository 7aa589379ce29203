//! Talks to a helper, and reads what it left.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;

use engine::{Ended, EngineError, SandboxEnd, SandboxState};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use types::Usage;

use crate::control::{Call, Reply, Request};
use crate::folder;
use crate::patience::{BREATH, passes};
use crate::plan::{Plan, VERSION};

/// What became of a request.
pub(crate) enum Answer {
    /// The helper answered.
    Said(Reply),
    /// There is no helper yet.
    NotStarted,
    /// There is no helper any more; what it left.
    Gone(Ended),
}

/// Asks the helper of the sandbox in this folder. Goes on asking while it is only we who cannot.
pub(crate) async fn ask(folder: &Path, call: Call) -> Result<Answer, EngineError> {
    loop {
        match ask_once(folder, call).await {
            Err(e) if passes(&e) => tokio::time::sleep(BREATH).await,
            other => {
                let failed = |e| io_error("ask the helper at", &folder.join(folder::SOCKET), e);
                return other.map_err(failed);
            }
        }
    }
}

/// Where the sandbox in this folder is in its life.
pub(crate) async fn state(folder: &Path) -> Result<SandboxState, EngineError> {
    if folder.join(folder::ENDED).exists() {
        return Ok(SandboxState::Ended);
    }
    match connect(folder).await {
        Ok(_) => Ok(SandboxState::Running),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(SandboxState::Created),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(SandboxState::Ended),
        // Somebody is there, with more callers than it answers.
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(SandboxState::Running),
        Err(e) if passes(&e) => Err(io_error("ask the helper at", &folder.join(folder::SOCKET), e)),
        // Nobody can tell: it is not given up for that, nor is what is known of all others.
        Err(_) => Ok(SandboxState::Running),
    }
}

/// The plan of the sandbox in this folder; none if it was never completely made.
pub(crate) fn plan_of(folder: &Path) -> io::Result<Option<Plan>> {
    read(&folder.join(folder::PLAN))
}

pub(crate) fn io_error(what: &'static str, path: &Path, source: io::Error) -> EngineError {
    EngineError::Io { what, path: path.into(), source }
}

async fn ask_once(folder: &Path, call: Call) -> io::Result<Answer> {
    let asked = match connect(folder).await {
        Ok(stream) => exchange(stream, call).await,
        Err(e) => Err(e),
    };
    match asked {
        Ok(Some(reply)) => Ok(Answer::Said(reply)),
        Ok(None) => end_of(folder).map(Answer::Gone),
        Err(e) => match e.kind() {
            ErrorKind::NotFound => Ok(Answer::NotStarted),
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                end_of(folder).map(Answer::Gone)
            }
            _ => Err(e),
        },
    }
}

/// How the sandbox in this folder ended, of which no helper lives.
fn end_of(folder: &Path) -> io::Result<Ended> {
    let lost = Ended {
        end: SandboxEnd::Lost,
        usage: Usage::default(),
        disk_full: false,
        disk_lost: false,
    };
    Ok(read(&folder.join(folder::ENDED))?.unwrap_or(lost))
}

/// What a file holds; nothing if it is not there or not whole.
fn read<T: DeserializeOwned>(file: &Path) -> io::Result<Option<T>> {
    match std::fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A socket's path has at most 107 bytes, a folder's any number: so by way of a descriptor.
pub(crate) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let dir = std::fs::File::open(folder)?;
    let path = format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), folder::SOCKET);
    UnixStream::connect(path).await
}

async fn exchange(mut stream: UnixStream, call: Call) -> io::Result<Option<Reply>> {
    let mut line = serde_json::to_string(&Request { version: VERSION, call })?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    line.clear();
    BufReader::new(stream).read_line(&mut line).await?;
    // Nothing, or not all of it: the helper died.
    if !line.ends_with('\n') { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sandbox_that_cannot_be_asked_is_not_given_up() {
        let folder = tempfile::TempDir::new().unwrap();
        assert_eq!(state(folder.path()).await.unwrap(), SandboxState::Created);
        std::os::unix::fs::symlink(folder::SOCKET, folder.path().join(folder::SOCKET)).unwrap();
        assert_eq!(state(folder.path()).await.unwrap(), SandboxState::Running);
    }
}
