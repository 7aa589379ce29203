//! A program that goes on beside the job's steps and is none of them, under a keeper as background
//! processes are.
//!
//! Not here: which of ours ([`crate::inward`], [`crate::desktop`]), people's ([`super::shell`]).

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::timeout;

use super::process::GRACE;
use super::{Open, Place, Runner, plan};
use crate::kin;
use crate::reaper::Exit;

/// How long killed processes may take to be gone; the kernel may be busy with one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait before killing again: somebody may have been born meanwhile.
const KILL_AGAIN: Duration = Duration::from_millis(100);

/// How much of a log is read for its last line, in bytes.
const LAST_WORDS: u64 = 1024;

/// One that was started. Dropping it lets it run.
#[derive(Debug)]
pub(crate) struct Service {
    keeper: Pid,
    exit: Exit,
}

impl Runner {
    /// Starts a shell script as the command user, with nothing to read and nobody to hear it: it says
    /// itself where its output goes.
    pub(crate) async fn serve(&self, script: &str, place: &Place) -> io::Result<Service> {
        let (arguments, environment) = plan::service(script, place, &self.config);
        let mut command = self.trampoline(arguments);
        command.envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(self.keep_going(command).await?.1)
    }

    /// Starts a keeper; what it has of it, and its pipes.
    pub(super) async fn keep_going(&self, keeper: Command) -> io::Result<(Child, Service)> {
        let (child, exit) = self.reaper.spawn_kept(keeper).await?;
        let keeper = Pid::from_child(&child);
        Ok((child, Service { keeper, exit }))
    }

    /// The end of a service's log: as hostile as any file.
    pub(crate) async fn last_line(&self, log: &Path) -> io::Result<String> {
        let mut log = self.open(Open::Read, log).await?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut end = vec![];
        log.take(LAST_WORDS).read_to_end(&mut end)?;
        let end = String::from_utf8_lossy(&end);
        Ok(end.trim_end().lines().next_back().unwrap_or_default().to_owned())
    }
}

impl Service {
    /// Whether any of it is left. Not to be asked after [`Self::ended`] said that it is gone.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.exit.try_recv(), Err(TryRecvError::Empty))
    }

    /// Waits until it and all it started are gone; the program's exit code. To be waited for once.
    pub(crate) async fn ended(&mut self) -> i32 {
        // Who was seen by nobody was killed.
        (&mut self.exit).await.unwrap_or(-1)
    }

    /// Kills it and all it started.
    pub(crate) async fn kill(mut self) {
        if !self.lives() {
            // Its number may be somebody else's by now.
            return;
        }
        self.signal(Signal::KILL);
        drop(timeout(PATIENCE, self.ended()).await);
    }

    /// Ends it and all it started, as when a terminal's line is cut: HUP, a grace, and KILL until
    /// nobody is left. Not for one that has [`Self::ended`].
    pub(crate) async fn hang_up(mut self) {
        self.signal(Signal::HUP);
        self.signal(Signal::CONT);
        let mut patience = GRACE;
        while timeout(patience, self.ended()).await.is_err() {
            self.signal(Signal::KILL);
            // It may have been stopped, and could bury nobody.
            let _ = kill_process(self.keeper, Signal::CONT);
            patience = KILL_AGAIN;
        }
    }

    /// Sends it and all it started a signal. Not for one that has [`Self::ended`].
    pub(crate) fn signal(&self, signal: Signal) {
        kin::signal_beneath(self.keeper, signal);
    }
}
