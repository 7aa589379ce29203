//! Ends a helper that does not answer, because somebody stopped it with a signal, say. The kernel
//! ends all inside with it.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use engine::{Ended, EngineError, SandboxEnd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use types::Usage;

use crate::client::{self, io_error};
use crate::folder;
use crate::patience::passes;

/// Kills the helper of the sandbox in this folder if something holds it up, or `anyway`, and returns
/// once it is dead. Whether it did.
pub(crate) async fn end(folder: &Path, anyway: bool) -> Result<bool, EngineError> {
    let failed = |e| io_error("kill the helper of", folder, e);
    let found = match Helper::find(folder).await {
        Err(e) if passes(&e) && !anyway => return Ok(false),
        found => found.map_err(failed)?,
    };
    match found.filter(|helper| anyway || helper.is_held()) {
        Some(helper) => helper.kill(folder).await.map(|()| true).map_err(failed),
        None => Ok(false),
    }
}

/// The helper behind a socket.
struct Helper {
    pid: Pid,
    process: OwnedFd,
}

impl Helper {
    /// Finds the helper of the sandbox in this folder; none if there is none any more.
    async fn find(folder: &Path) -> io::Result<Option<Self>> {
        let stream = match client::connect(folder).await {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            other => other?,
        };
        let pid = stream.peer_cred()?.pid().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the helper is in another PID namespace"))?;
        let process = pidfd_open(pid, PidfdFlags::empty());
        // Nobody but a helper that lives keeps us waiting: the number is not yet another's.
        match stream.into_std()?.read(&mut [0]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                Ok(Some(Self { pid, process: process? }))
            }
            _ => Ok(None),
        }
    }

    /// Whether a signal or a debugger holds it up, so that it will not answer by itself.
    fn is_held(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('T' | 't'))
    }

    /// Kills it, and writes the end that it cannot write.
    async fn kill(self, folder: &Path) -> io::Result<()> {
        let file = folder.join(folder::ENDED);
        if !file.exists() {
            let ended = Ended {
                end: SandboxEnd::Stopped,
                usage: Usage::default(),
                disk_full: false,
                disk_lost: false,
            };
            let draft = file.with_extension("stopped");
            std::fs::write(&draft, serde_json::to_vec(&ended)?)?;
            // First, because whoever waits reads it as soon as the helper is dead.
            std::fs::rename(&draft, &file)?;
        }
        // Fails only if it is dead already.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        let dead = move || poll(&mut [PollFd::new(&self.process, PollFlags::IN)], None).map(drop);
        Ok(tokio::task::spawn_blocking(dead).await??)
    }
}
