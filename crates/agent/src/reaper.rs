//! PID 1's duty to the processes of its sandbox: start them, learn how they end, end them all, save
//! those that are kept on purpose.
//!
//! One thread waits for children, whoever's they were; nothing else in agentd may call `wait`. It
//! blocks with `WNOWAIT`, which takes nothing, and collects under the lock that a birth holds: so a
//! child that fails to start is left to `std`, and no child can end before it is watched.
//!
//! A child that has the command user's rights already, and is not the trampoline yet, can be stopped
//! by a command, and who started it is held up with it. So another thread starts it, and who waits
//! for that looks whether somebody was stopped. That thread is there from the start and stays: when
//! commands fill the process table there is no room for one, and what a process asked to be sent
//! when its parent dies (`PR_SET_PDEATHSIG`) comes when the thread ends that started it.
//!
//! Not here: what to start ([`crate::step`]).

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid, kill_process,
    kill_process_group, wait, waitid,
};
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio::time::timeout;

use crate::kin::{self, Strangers};
use crate::witness::Witnesses;

/// How long to wait for killed processes before killing again; one may be stuck in the kernel.
const KILL_AGAIN: Duration = Duration::from_millis(100);

/// When to look who should have died of TERM and did not. A process that was forked when the TERM
/// came has long become another program by then.
const TERM_AGAIN: Duration = Duration::from_millis(50);

/// When to look whether somebody is stopped who is being started. That takes a millisecond.
const BIRTH: Duration = Duration::from_millis(250);

/// Enough for a loop of system calls.
const STACK_BYTES: usize = 64 * 1024;

/// Enough to start a process with any environment.
const BIRTH_STACK_BYTES: usize = 256 * 1024;

/// How long those who are kept are spared while others cannot be caught one by one.
const SPARE: Duration = Duration::from_secs(3);

/// Starts and ends processes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reaper {
    table: Arc<Table>,
    births: Sender<Birth>,
}

/// Resolves to the exit code; 128 + n after signal n.
pub(crate) type Exit = oneshot::Receiver<i32>;

#[derive(Debug, Default)]
struct Table {
    /// Held while a process is started: whoever signals others knows then whom to spare.
    births: AsyncMutex<()>,
    /// Held by the thread that starts one, and by the one that collects. May take as long as a
    /// command likes: nobody else waits for it.
    starting: Mutex<()>,
    watched: Mutex<HashMap<i32, Watch>>,
    born: Condvar,
    /// Changes whenever children were collected, or one was born.
    collected: watch::Sender<()>,
}

/// A process that another thread is to start.
#[derive(Debug)]
struct Birth {
    command: Command,
    kept: bool,
    born: oneshot::Sender<io::Result<(Child, Exit)>>,
}

#[derive(Debug)]
struct Watch {
    ended: oneshot::Sender<i32>,
    kept: bool,
}

impl Reaper {
    /// Starts the thread that waits, and the one that starts others.
    ///
    /// # Errors
    /// If this is not PID 1 (ending "all processes" would mean the machine's), or no thread starts.
    pub(crate) fn start() -> io::Result<Self> {
        if !getpid().is_init() {
            return Err(io::Error::other("not PID 1 of a sandbox"));
        }
        let table = Arc::new(Table::default());
        let (births, due) = mpsc::channel();
        let (reaping, bearing) = (Arc::clone(&table), Arc::clone(&table));
        begin("reaper", STACK_BYTES, move || reaping.reap_for_ever())?;
        begin("births", BIRTH_STACK_BYTES, move || bearing.bear(&due))?;
        Ok(Self { table, births })
    }

    /// Starts a process.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<(Child, Exit)> {
        self.give_birth(command, false).await
    }

    /// Starts a process that [`Self::end_all`] spares, with all beneath it, as long as it lives.
    pub(crate) async fn spawn_kept(&self, command: Command) -> io::Result<(Child, Exit)> {
        self.give_birth(command, true).await
    }

    async fn give_birth(&self, command: Command, kept: bool) -> io::Result<(Child, Exit)> {
        let _birth = self.table.births.lock().await;
        if is_alone() {
            // Nobody is there who could stop it, and a thread takes its time.
            return self.table.spawn(command, kept);
        }
        let (born, mut child) = oneshot::channel();
        self.births.send(Birth { command, kept, born }).map_err(io::Error::other)?;
        loop {
            match timeout(BIRTH, &mut child).await {
                Ok(child) => return child.map_err(io::Error::other)?,
                Err(_) => self.table.kill_stopped(),
            }
        }
    }

    /// Spares nobody any more who is kept now.
    pub(crate) fn forsake(&self) {
        self.table.lock().values_mut().for_each(|watch| watch.kept = false);
    }

    /// Ends every process but PID 1 and those that are kept: TERM, `grace`, KILL. Returns when none
    /// is left.
    pub(crate) async fn end_all(&self, grace: Duration) -> io::Result<()> {
        if is_alone() || self.table.none_left() {
            return Ok(());
        }
        let witnesses = Witnesses::now();
        {
            let _no_birth = self.table.births.lock().await;
            let kept = self.table.kept();
            signal_others(&kept, Signal::TERM)?;
            // A stopped process takes no TERM.
            signal_others(&kept, Signal::CONT)?;
        }
        if timeout(TERM_AGAIN, self.table.quiet()).await.is_ok() {
            return Ok(());
        }
        witnesses.term_again(&self.table.kept());
        let mut patience = grace;
        let mut killing = Duration::ZERO;
        while timeout(patience, self.table.quiet()).await.is_err() {
            self.kill_others(killing).await?;
            killing += KILL_AGAIN;
            patience = KILL_AGAIN;
        }
        Ok(())
    }

    /// Who forks faster than we look is only caught by a signal to all at once.
    async fn kill_others(&self, killing: Duration) -> io::Result<()> {
        let _no_birth = self.table.births.lock().await;
        if killing < SPARE {
            return signal_others(&self.table.kept(), Signal::KILL);
        }
        signal_all(Signal::KILL)
    }
}

impl Table {
    fn bear(&self, due: &Receiver<Birth>) {
        while let Ok(Birth { command, kept, born }) = due.recv() {
            // Whoever asked may have gone.
            let _ = born.send(self.spawn(command, kept));
        }
    }

    fn spawn(&self, mut command: Command, kept: bool) -> io::Result<(Child, Exit)> {
        let (ended, exit) = oneshot::channel();
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        self.lock().insert(Pid::from_child(&child).as_raw_pid(), Watch { ended, kept });
        self.born.notify_one();
        // Who was a stranger until now may be none.
        self.collected.send_replace(());
        Ok((child, exit))
    }

    /// Kills the children that nobody watches yet and that somebody stopped. That may be an orphan
    /// as well, who has nothing to live for.
    fn kill_stopped(&self) {
        let stopped = kin::stopped_children();
        let watched = self.lock();
        for pid in stopped.iter().filter(|pid| !watched.contains_key(&pid.as_raw_pid())) {
            // Who has ended just now needs no signal.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }

    fn kept(&self) -> HashSet<i32> {
        self.lock().iter().filter(|(_, watch)| watch.kept).map(|(pid, _)| *pid).collect()
    }

    /// Whether nobody is left who is not kept.
    fn none_left(&self) -> bool {
        let kept = self.kept();
        if kept.is_empty() { is_alone() } else { Strangers::now(&kept).is_none() }
    }

    /// Waits until nobody is left who is not kept. The last of them is a child of PID 1, since
    /// its parents are gone; so looking whenever one was collected is enough.
    async fn quiet(&self) {
        let mut collected = self.collected.subscribe();
        while !self.none_left() {
            // The sender is ours: it cannot be gone.
            drop(collected.changed().await);
        }
    }

    fn reap_for_ever(&self) {
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(Errno::CHILD) => self.await_birth(),
                _ => self.reap(),
            }
        }
    }

    fn reap(&self) {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched = self.lock();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(watch) = watched.remove(&pid.as_raw_pid()) {
                // Whoever asked may have gone.
                let _ = watch.ended.send(exit_code(status));
            }
        }
        drop(watched);
        self.collected.send_replace(());
    }

    fn await_birth(&self) {
        let watched = self.lock();
        if is_alone() {
            drop(self.born.wait(watched));
        }
    }

    /// A panic elsewhere leaves the map as good as it was.
    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Watch>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begin(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(stack).spawn(work).map(drop)
}

/// Every orphan becomes a child of PID 1, so without children there is nobody else.
fn is_alone() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

fn signal_others(kept: &HashSet<i32>, signal: Signal) -> io::Result<()> {
    if kept.is_empty() && !kin::is_visited() {
        return signal_all(signal);
    }
    Strangers::now(kept).pids.into_iter().try_for_each(|pid| sent(kill_process(pid, signal)))
}

/// The group of PID 1 stands for `kill(-1)`: all but PID 1 and the caller, who are the same.
fn signal_all(signal: Signal) -> io::Result<()> {
    sent(kill_process_group(Pid::INIT, signal))
}

/// Nobody to send it to is as well.
fn sent(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// As shells have it: 128 + n after signal n.
pub(crate) fn exit_code(status: WaitStatus) -> i32 {
    let signalled = || status.terminating_signal().map(|signal| 128 + signal);
    status.exit_status().or_else(signalled).unwrap_or(-1)
}
