//! PID 1's duty to the processes of its sandbox: start them, learn how they end, end them all.
//!
//! One thread waits for children, whoever's they were; nothing else in agentd may call `wait`. It
//! blocks with `WNOWAIT`, which takes nothing, and collects under the lock that `spawn` holds: so a
//! child that fails to start is left to `std`, and no child can end before it is watched.
//!
//! Not here: what to start ([`crate::step`]).

use std::collections::HashMap;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid, kill_process_group, wait,
    waitid,
};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::witness::Witnesses;

/// How long to wait for killed processes before killing again; one may be stuck in the kernel.
const KILL_AGAIN: Duration = Duration::from_millis(100);

/// When to look who should have died of TERM and did not. A process that was forked when the TERM
/// came has long become another program by then.
const TERM_AGAIN: Duration = Duration::from_millis(50);

/// Enough for a loop of system calls.
const STACK_BYTES: usize = 64 * 1024;

/// Starts and ends processes.
#[derive(Debug)]
pub(crate) struct Reaper {
    table: Arc<Table>,
}

/// Resolves to the exit code; 128 + n after signal n.
pub(crate) type Exit = oneshot::Receiver<i32>;

#[derive(Debug, Default)]
struct Table {
    watched: Mutex<HashMap<i32, oneshot::Sender<i32>>>,
    born: Condvar,
    /// Whether there is no process but PID 1.
    alone: watch::Sender<bool>,
}

impl Reaper {
    /// Starts the waiting thread.
    ///
    /// # Errors
    /// If this is not PID 1 (ending "all processes" would mean the machine's), or no thread starts.
    pub(crate) fn start() -> io::Result<Self> {
        if !getpid().is_init() {
            return Err(io::Error::other("not PID 1 of a sandbox"));
        }
        let table = Arc::new(Table::default());
        let shared = Arc::clone(&table);
        thread::Builder::new()
            .name("reaper".into())
            .stack_size(STACK_BYTES)
            .spawn(move || shared.reap_for_ever())?;
        Ok(Self { table })
    }

    /// Starts a process.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<(Child, Exit)> {
        let (ended, exit) = oneshot::channel();
        let mut watched = self.table.lock();
        let child = command.spawn()?;
        watched.insert(Pid::from_child(&child).as_raw_pid(), ended);
        self.table.alone.send_replace(false);
        self.table.born.notify_one();
        Ok((child, exit))
    }

    /// Ends every process but PID 1: TERM, `grace`, KILL. Returns when none is left.
    pub(crate) async fn end_all(&self, grace: Duration) -> io::Result<()> {
        if is_alone() {
            return Ok(());
        }
        let witnesses = Witnesses::now();
        signal_all(Signal::TERM)?;
        // A stopped process takes no TERM.
        signal_all(Signal::CONT)?;
        let mut alone = self.table.alone.subscribe();
        if timeout(TERM_AGAIN, alone.wait_for(|alone| *alone)).await.is_ok() {
            return Ok(());
        }
        witnesses.term_again();
        let mut patience = grace;
        while timeout(patience, alone.wait_for(|alone| *alone)).await.is_err() {
            signal_all(Signal::KILL)?;
            patience = KILL_AGAIN;
        }
        Ok(())
    }
}

impl Table {
    fn reap_for_ever(&self) {
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(Errno::CHILD) => self.await_birth(),
                _ => self.reap(),
            }
        }
    }

    fn reap(&self) {
        let mut watched = self.lock();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(ended) = watched.remove(&pid.as_raw_pid()) {
                // Whoever asked may have gone.
                let _ = ended.send(exit_code(status));
            }
        }
    }

    fn await_birth(&self) {
        let watched = self.lock();
        if is_alone() {
            self.alone.send_replace(true);
            drop(self.born.wait(watched));
        }
    }

    /// A panic elsewhere leaves the map as good as it was.
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, oneshot::Sender<i32>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every orphan becomes a child of PID 1, so without children there is nobody else.
fn is_alone() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

fn signal_all(signal: Signal) -> io::Result<()> {
    // The group of PID 1 stands for `kill(-1)`: all but PID 1 and the caller, who are the same.
    match kill_process_group(Pid::INIT, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    let signalled = || status.terminating_signal().map(|signal| 128 + signal);
    status.exit_status().or_else(signalled).unwrap_or(-1)
}
