//! What agentd does with files as the command user: it has no rights of its own in the workspace.
//! The work is a trampoline's ([`super::trampoline`]), which hands the open file back.
//!
//! Everything that comes back is a command's to fake: only regular files are taken, and who reads
//! one bounds what they read.

use std::fs::File;
use std::io::{self, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use super::{Runner, StepError};

/// A trampoline takes a millisecond; one that takes longer was stopped by a command, or its disk
/// hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read of what a trampoline says, in bytes.
const MOST_SAID: u64 = 4096;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// For reading, links followed.
    Read,
    /// For reading and appending, beneath the workspace, made with its parents if it is not there;
    /// for its owner alone; no link followed.
    Append,
}

impl Open {
    /// The word for it among a trampoline's arguments.
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Append => "append",
        }
    }
}

impl Runner {
    /// Opens a file as the command user: an absolute path, or one beneath the workspace.
    pub(crate) async fn open(&self, how: Open, path: &Path) -> io::Result<File> {
        let kind = (SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind.0, kind.1, None)?;
        let mut command = self.trampoline(["open", how.word()]);
        command.arg(&self.config.workspace).arg(path);
        self.errand(command, theirs).await?;
        let file = receive(&ours)?;
        let kind = file.metadata()?.file_type();
        match file {
            _ if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            file if kind.is_file() => Ok(file),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
        }
    }

    /// Puts a file beneath the workspace in place of what is there: all of it, or nothing.
    pub(crate) async fn replace(&self, path: &Path, content: &[u8]) -> Result<(), StepError> {
        let failed = |source| StepError::Errand { what: "write", path: path.into(), source };
        let input = in_memory(content).map_err(failed)?;
        let mut command = self.trampoline(["replace"]);
        command.arg(&self.config.workspace).arg(path);
        match self.errand(command, input).await {
            Ok(0) => Ok(()),
            Ok(_) => Err(failed(io::Error::other("something is in the way, or there is no room"))),
            Err(source) => Err(failed(source)),
        }
    }

    /// What packing would make of a file or directory, named relative to the workspace; or why it
    /// would leave it out.
    pub(crate) async fn delivered(&self, path: &Path) -> io::Result<Result<String, String>> {
        let ours = File::from(in_memory(b"")?);
        let mut command =
            self.trampoline(["deliver", if self.include_caches { "yes" } else { "no" }]);
        command.arg(&self.config.workspace).arg(path);
        let code = self.errand(command, ours.try_clone()?.into()).await?;
        let mut said = Vec::new();
        (&ours).rewind()?;
        ours.take(MOST_SAID).read_to_end(&mut said)?;
        match (code, String::from_utf8_lossy(&said).into_owned()) {
            (_, said) if said.is_empty() => {
                Err(io::Error::other("nobody answered; was it killed?"))
            }
            (0, said) => Ok(Ok(said)),
            (_, said) => Ok(Err(said)),
        }
    }

    /// Has a trampoline do something, whichever step ends meanwhile; its exit code.
    async fn errand(&self, mut command: Command, input: OwnedFd) -> io::Result<i32> {
        command.stdin(Stdio::from(input)).stdout(Stdio::null()).stderr(Stdio::null());
        let (child, mut exit) = self.reaper.spawn_kept(command).await?;
        if let Ok(code) = timeout(PATIENCE, &mut exit).await {
            return code.map_err(io::Error::other);
        }
        // It may have ended just now.
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"))
    }
}

fn in_memory(content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("content", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

/// The file, or why there is none: an error's number.
fn receive(socket: &OwnedFd) -> io::Result<File> {
    let mut number = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(socket, &mut [IoSliceMut::new(&mut number)], &mut control, flags)
        .map_err(|_| io::Error::other("nobody answered; was it killed?"))?;
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    file.map(File::from).ok_or_else(|| match i32::from_le_bytes(number) {
        0 => io::Error::other("nobody answered; was it killed?"),
        number => io::Error::from_raw_os_error(number),
    })
}
