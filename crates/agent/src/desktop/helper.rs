//! agentd's side of `agentd screen`: starts it, gives each order its time, reads what it answers as
//! what it is: bytes of somebody who may have been taken over.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot::error::TryRecvError;

use super::order::{Answer, MOST_LINE_BYTES, MOST_PICTURE_BYTES, Request};
use crate::reaper::Exit;
use crate::step::{Place, Runner};

/// How long it may take for anything, beside what the order itself takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// A running one. Dropped, it is ended: its answers would be those to other orders.
#[derive(Debug)]
pub(super) struct Helper {
    pid: Pid,
    exit: Exit,
    orders: pipe::Sender,
    answers: BufReader<pipe::Receiver>,
}

impl Helper {
    pub(super) async fn start(runner: &Runner, place: &Place) -> io::Result<Self> {
        let mut command = runner.trampoline(["screen"]);
        command.envs(&place.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (mut child, exit) = runner.reaper.spawn_kept(command).await?;
        let pid = Pid::from_child(&child);
        let gone = || io::Error::other("it has no pipes");
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let orders = pipe::Sender::from_owned_fd(orders.ok_or_else(gone)?.into())?;
        let answers = pipe::Receiver::from_owned_fd(answers.ok_or_else(gone)?.into())?;
        Ok(Self { pid, exit, orders, answers: BufReader::new(answers) })
    }

    pub(super) fn lives(&mut self) -> bool {
        matches!(self.exit.try_recv(), Err(TryRecvError::Empty))
    }

    /// What it answers, and the picture.
    pub(super) async fn ask(&mut self, request: &Request) -> io::Result<(Answer, Vec<u8>)> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.orders.write_all(&line).await?;
        let mut line = Vec::new();
        let mut limited = (&mut self.answers).take(MOST_LINE_BYTES as u64);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer: Answer = serde_json::from_slice(&line)?;
        if answer.picture > MOST_PICTURE_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        // As it comes: what was promised need not come.
        let mut picture = Vec::new();
        let promised = answer.picture as u64;
        (&mut self.answers).take(promised).read_to_end(&mut picture).await?;
        if picture.len() < answer.picture {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((answer, picture))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if self.lives() {
            // Who has ended just now needs none.
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}
