//! A program that runs in a job's sandbox, as if it ran here: what is typed, written and signalled goes
//! there, what it writes comes here, and its exit code is ours.
//!
//! Not here: what is said on the connection ([`jobs::shell`]).

mod escape;
mod terminal;

use std::convert::Infallible;
use std::future::pending;

use anyhow::{Context as _, bail};
use jobs::shell::{
    FromShell, Incoming, MAX_BODY_BYTES, Signal, Start, ToShell, WINDOW_BYTES, send,
};
use reqwest::Upgraded;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender};
use types::JobId;

use crate::client::Client;
use crate::signals::{Signals, exit_code};
use escape::Escape;
use terminal::Raw;

/// How long to wait for the end of a job whose sandbox seems to be gone.
const ENDING_SECONDS: u64 = 5;

/// How somebody wants to run something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct How {
    /// A program and its arguments; a shell if there is none.
    pub(crate) command: Vec<String>,
    /// What is typed or comes by a pipe is for it.
    pub(crate) input: bool,
    /// It gets a terminal.
    pub(crate) terminal: bool,
}

/// Runs it to its end; its exit code.
pub(crate) async fn run(client: &Client, job: JobId, how: How) -> anyhow::Result<u8> {
    let How { command, input, terminal } = how;
    if terminal {
        terminal::must_be_one("without one: `cagent exec [-i] JOB -- COMMAND`")?;
    }
    let start = Start::new(command, terminal.then(terminal::like_ours))?;
    let mut signals = Signals::listen()?;
    let stream = client.shell(job, &start).await?;
    // What it typed meanwhile is for the program too; from here on Ctrl-C is but a byte.
    let raw = (terminal && input).then(Raw::begin).transpose()?;
    let ended = carry(stream, input, terminal, &mut signals).await;
    drop(raw);
    match ended? {
        Some(code) => Ok(code),
        None => bail!(why_cut_off(client, job).await),
    }
}

/// The sandbox of a job that ends goes a moment before the job is over.
async fn why_cut_off(client: &Client, job: JobId) -> String {
    // Who cannot be asked any more says nothing of the job either.
    drop(client.wait(job, ENDING_SECONDS).await);
    match client.job(job).await {
        Ok(now) if now.status.is_final() => {
            format!("job {job} is over ({}), and what ran beside it", now.status)
        }
        _ => "the connection was cut, and with it what ran there was ended".into(),
    }
}

/// The exit code, or that of a shell for who left; none if the connection ended before.
async fn carry(
    stream: Upgraded,
    input: bool,
    terminal: bool,
    signals: &mut Signals,
) -> anyhow::Result<Option<u8>> {
    let (from, to) = split(stream);
    let (orders, ordered) = mpsc::channel(8);
    let room = Semaphore::new(WINDOW_BYTES);
    tokio::select! {
        ended = show(from, &room) => ended,
        never = pass_on(to, ordered) => match never {},
        left = give(input, terminal, &orders, &room) => left.map(Some),
        failed = resize(terminal, &orders) => failed.map(|never| match never {}),
        code = heed(signals, terminal && input, &orders) => Ok(Some(code)),
    }
}

/// Writes what it writes, until it ends or the connection does.
async fn show(from: ReadHalf<Upgraded>, room: &Semaphore) -> anyhow::Result<Option<u8>> {
    let mut from = Incoming::new(from);
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    // However the connection ended: there is no more to come.
    while let Ok(Some(message)) = from.next().await {
        match message {
            FromShell::Output(bytes) => {
                stdout.write_all(&bytes).await.context("write to standard output")?;
                stdout.flush().await.context("write to standard output")?;
            }
            FromShell::Errors(bytes) => {
                stderr.write_all(&bytes).await.context("write to standard error")?;
                stderr.flush().await.context("write to standard error")?;
            }
            FromShell::Taken(bytes) => {
                // A hostile one may take what it was never given.
                let most = WINDOW_BYTES.saturating_sub(room.available_permits());
                room.add_permits(usize::try_from(bytes).unwrap_or(most).min(most));
            }
            // As a shell has it, who sees but the last byte.
            FromShell::Exit(code) => return Ok(Some(code.to_le_bytes()[0])),
        }
    }
    Ok(None)
}

/// Tells the other side, for ever: what becomes of a connection is told by what comes from it.
async fn pass_on(mut to: WriteHalf<Upgraded>, mut orders: Receiver<ToShell>) -> Infallible {
    while let Some(order) = orders.recv().await {
        if send(&mut to, &order).await.is_err() {
            break;
        }
    }
    pending().await
}

/// Gives it standard input to read, or nothing; returns when somebody at a terminal wants to get away.
async fn give(
    input: bool,
    terminal: bool,
    orders: &Sender<ToShell>,
    room: &Semaphore,
) -> anyhow::Result<u8> {
    let (mut stdin, mut escape) = (tokio::io::stdin(), Escape::default());
    let mut typed = vec![0; MAX_BODY_BYTES / 2];
    loop {
        let read = match input {
            true => stdin.read(&mut typed).await.context("read standard input")?,
            false => 0,
        };
        if read == 0 {
            break;
        }
        let (passed, leaves) = match terminal {
            true => escape.pass(&typed[..read]),
            false => (typed[..read].to_vec(), false),
        };
        if leaves {
            return Ok(exit_code(SignalKind::hangup()));
        }
        if passed.is_empty() {
            continue;
        }
        let length = u32::try_from(passed.len())?;
        room.acquire_many(length).await?.forget();
        orders.send(ToShell::Input(passed.into())).await?;
    }
    orders.send(ToShell::InputEnd).await?;
    pending().await
}

/// Tells it how large our terminal is, now and whenever that changes.
async fn resize(terminal: bool, orders: &Sender<ToShell>) -> anyhow::Result<Infallible> {
    let mut changed = signal(SignalKind::window_change()).context("listen for signals")?;
    if !terminal {
        return pending().await;
    }
    loop {
        orders.send(ToShell::Resize(terminal::size())).await?;
        changed.recv().await;
    }
}

/// Passes on the first signal that could end us; returns with the second, and at once where Ctrl-C is
/// a key like others, or nobody is there any more.
async fn heed(signals: &mut Signals, at_once: bool, orders: &Sender<ToShell>) -> u8 {
    let first = signals.recv().await;
    let passed = match first {
        _ if at_once => return exit_code(first),
        kind if kind == SignalKind::interrupt() => Signal::Interrupt,
        kind if kind == SignalKind::terminate() => Signal::Terminate,
        _ => return exit_code(first),
    };
    // It does not wait: the second one is for who is not heard.
    drop(orders.try_send(ToShell::Signal(passed)));
    exit_code(signals.recv().await)
}
