//! Guards a running sandbox: one loop over its end, its wall time, its output and who asks.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use engine::{Ended, SandboxEnd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use types::Usage;

use super::disk::{Disk, Fill};
use super::error::{SetupError, at};
use super::launch::Sandbox;
use crate::control::{Call, Reply, Request};
use crate::plan::VERSION;

/// How much of agentd's output is kept: its last words, not its story.
const LAST_WORDS_BYTES: usize = 16 * 1024;

/// A running sandbox and who waits for its end.
pub(super) struct Supervisor {
    sandbox: Sandbox,
    disk: Disk,
    socket: UnixListener,
    wall: OwnedFd,
    clients: Vec<Client>,
    last_words: Vec<u8>,
    output_open: bool,
    /// Why we killed it, if we did.
    killed: Option<SandboxEnd>,
}

/// Somebody connected to our socket.
struct Client {
    stream: BufReader<UnixStream>,
    /// Wants to know of the end.
    waits: bool,
}

/// What a turn of the loop found ready.
struct Ready {
    dead: bool,
    wall: bool,
    output: bool,
    caller: bool,
    clients: Vec<bool>,
}

impl Supervisor {
    pub(super) fn new(
        sandbox: Sandbox,
        disk: Disk,
        socket: UnixListener,
        wall_seconds: u32,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            sandbox,
            disk,
            socket,
            wall: timer(wall_seconds)?,
            clients: Vec::new(),
            last_words: Vec::new(),
            output_open: true,
            killed: None,
        })
    }

    /// Returns when everything inside is dead and its cgroups are gone.
    pub(super) fn run(&mut self) -> Result<Ended, SetupError> {
        loop {
            let ready = self.poll()?;
            if ready.output {
                self.read_output();
            }
            if ready.dead {
                return self.bury();
            }
            if ready.wall {
                // Read, or it would stay ready.
                let _ = rustix::io::read(&self.wall, &mut [0; 8]);
                self.kill(SandboxEnd::WallTime);
            }
            if self.disk.is_over() {
                self.kill(SandboxEnd::DiskQuota);
            }
            self.serve(&ready.clients);
            if ready.caller {
                self.admit();
            }
        }
    }

    /// The end of what agentd wrote to stdout and stderr.
    pub(super) fn last_words(&self) -> &[u8] {
        &self.last_words
    }

    /// Answers everybody who waits. Whoever comes later finds the end in a file.
    pub(super) fn tell_waiters(self, ended: &Ended) {
        // Whoever hears of the end may count on it that nothing of ours holds the workspace.
        drop(self.disk);
        for client in self.clients.iter().filter(|client| client.waits) {
            answer(client.stream.get_ref(), &Reply::Ended(*ended));
        }
    }

    fn poll(&self) -> Result<Ready, SetupError> {
        let mut fds = vec![
            PollFd::new(&self.sandbox.pidfd, PollFlags::IN),
            PollFd::new(&self.wall, PollFlags::IN),
            PollFd::new(&self.socket, PollFlags::IN),
        ];
        fds.extend(self.clients.iter().map(|c| PollFd::new(c.stream.get_ref(), PollFlags::IN)));
        if self.output_open {
            fds.push(PollFd::new(&self.sandbox.output, PollFlags::IN));
        }
        let timeout = self.disk.timeout().and_then(|pause| Timespec::try_from(pause).ok());
        while let Err(e) = poll(&mut fds, timeout.as_ref()) {
            if e != rustix::io::Errno::INTR {
                return Err(at("wait for", "the sandbox")(e));
            }
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let clients = 3..3 + self.clients.len();
        Ok(Ready {
            dead: ready[0],
            wall: ready[1],
            caller: ready[2],
            output: ready.get(clients.end).copied().unwrap_or(false),
            clients: ready[clients].to_vec(),
        })
    }

    fn kill(&mut self, why: SandboxEnd) {
        self.killed.get_or_insert(why);
        // Fails only if it is dead already. With PID 1 the kernel kills the whole namespace.
        let _ = pidfd_send_signal(&self.sandbox.pidfd, Signal::KILL);
    }

    fn admit(&mut self) {
        let Ok((stream, _)) = self.socket.accept() else { return };
        // A client writes its one short line at once. One that hangs must not hold up the rest.
        let patience = Some(Duration::from_secs(1));
        if stream.set_read_timeout(patience).is_ok() && stream.set_write_timeout(patience).is_ok() {
            self.clients.push(Client { stream: BufReader::new(stream), waits: false });
        }
    }

    /// Reads one request of every client that has something to say, and forgets who has left.
    fn serve(&mut self, ready: &[bool]) {
        let clients = std::mem::take(&mut self.clients);
        for (mut client, ready) in clients.into_iter().zip(ready) {
            if !ready || self.obey(&mut client) {
                self.clients.push(client);
            }
        }
    }

    /// Whether the client stays.
    fn obey(&mut self, client: &mut Client) -> bool {
        let mut line = String::new();
        if client.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let reply = match serde_json::from_str::<Request>(&line) {
            Ok(Request { version: VERSION, call: Call::Stats }) => {
                let disk_bytes = self.disk.last_seen();
                Reply::Stats(Usage { disk_bytes, ..self.sandbox.group.usage() })
            }
            Ok(Request { version: VERSION, call }) => {
                if call == Call::Stop {
                    self.kill(SandboxEnd::Stopped);
                }
                client.waits = true;
                return true;
            }
            Ok(Request { version, .. }) => Reply::Refused {
                message: format!("version {version} was asked for, this helper has {VERSION}"),
            },
            Err(e) => Reply::Refused { message: e.to_string() },
        };
        answer(client.stream.get_ref(), &reply);
        false
    }

    /// Reads what there is of output. True if there may be more.
    fn read_output(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.sandbox.output.read(&mut buffer) {
            Ok(read) if read > 0 => {
                self.last_words.extend_from_slice(&buffer[..read]);
                let excess = self.last_words.len().saturating_sub(LAST_WORDS_BYTES);
                self.last_words.drain(..excess);
                true
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            Ok(_) | Err(_) => {
                self.output_open = false;
                false
            }
        }
    }

    /// Reaps PID 1, which the kernel lets die last, and takes the measure of what was used.
    fn bury(&mut self) -> Result<Ended, SetupError> {
        let pidfd = WaitId::PidFd(self.sandbox.pidfd.as_fd());
        let status = waitid(pidfd, WaitIdOptions::EXITED).map_err(at("reap", "agentd"))?;
        while self.read_output() {}
        let group = &self.sandbox.group;
        let usage = group.usage();
        if let Err(e) = group.remove() {
            // The engine tries again when it removes the sandbox; how this ended is known already.
            let _ = writeln!(std::io::stderr(), "{e}");
        }
        let code = status.as_ref().and_then(|status| {
            status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        });
        let end = self.killed.unwrap_or(SandboxEnd::Exited { code: code.unwrap_or(-1) });
        let Fill { bytes: disk_bytes, full: disk_full } = self.disk.fill();
        let disk_lost = self.disk.is_lost();
        let cpu_ms = usage.cpu_ms.or_else(reaped_cpu_ms);
        Ok(Ended { end, usage: Usage { cpu_ms, disk_bytes, ..usage }, disk_full, disk_lost })
    }
}

/// Processor time of all that was reaped, for want of a cgroup. In `/proc/self/stat`, `cutime` and
/// `cstime` are fields 16 and 17, in ticks of 10 ms.
fn reaped_cpu_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks = after_name.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    Some(ticks.collect::<Result<Vec<_>, _>>().ok()?.iter().sum::<u64>() * 10)
}

fn answer(mut client: &UnixStream, reply: &Reply) {
    let line = serde_json::to_string(reply).unwrap_or_default();
    // Whoever does not wait for the answer does not want it.
    let _ = writeln!(client, "{line}");
}

fn timer(seconds: u32) -> Result<OwnedFd, SetupError> {
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let once = Itimerspec {
        it_interval: never,
        it_value: Timespec { tv_sec: seconds.max(1).into(), tv_nsec: 0 },
    };
    // Also counts the time a laptop sleeps.
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)
        .map_err(at("make", "a timer"))?;
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once).map_err(at("set", "a timer"))?;
    Ok(timer)
}
