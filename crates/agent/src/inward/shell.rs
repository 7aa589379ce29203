//! What a person runs in the sandbox, at the other end of a connection. It is over with either of them:
//! when its program ends, or the connection does, nothing of it is left.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use protocol::shell::{self, FromShell, Incoming, MAX_BODY_BYTES, ToShell, WINDOW_BYTES, send};
use rustix::io::read;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::step::{Runner, Service, Shell, resize};

/// How long the orchestrator may take to say what to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the other side may take to leave after its program has ended.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(5);

/// What a shell says of a program that it could not start.
const CANNOT_START: i32 = 126;

/// The most signals that wait for their turn.
const MOST_SIGNALS: usize = 8;

/// The most that is read of what a program left behind in a pipe; as much as one may hold.
const MAX_LEFT_BYTES: usize = 1024 * 1024;

/// Runs what the other side names first, until it ends or the connection does.
pub(super) async fn serve(runner: &Runner, outside: impl AsyncRead + AsyncWrite) {
    let (from, mut to) = split(outside);
    let mut from = Incoming::new(from);
    let Ok(Ok(Some(ToShell::Start(start)))) = timeout(PATIENCE, from.next()).await else {
        return;
    };
    let served = match runner.shell(&start).await {
        Ok(shell) => carry(shell, &mut from, &mut to).await,
        Err(error) => {
            let why = format!("agentd: start it: {error}; is the process limit reached?\n");
            let told = send(&mut to, &FromShell::Errors(why.into())).await;
            told.map(|()| CANNOT_START)
        }
    };
    if let Ok(code) = served {
        // Who has left does not want to know it.
        drop(send(&mut to, &FromShell::Exit(code)).await);
        drop(to.shutdown().await);
        // What is sent meanwhile would destroy what was not read yet.
        let rest = async { while let Ok(Some(_)) = from.next().await {} };
        drop(timeout(FAREWELL_PATIENCE, rest).await);
    }
}

/// The exit code, once all it wrote was sent; an error if the connection ended before.
async fn carry(
    shell: Shell,
    from: &mut Incoming<impl AsyncRead + Unpin, ToShell>,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<i32> {
    let Shell { mut service, terminal, input, output, errors } = shell;
    let (queue, queued) = mpsc::unbounded_channel();
    let (signals, wanted) = mpsc::channel(MOST_SIGNALS);
    let (waiting, taken, over) = (Cell::new(0), Taken::default(), CancellationToken::new());
    let life = async {
        let code = live(&mut service, wanted).await;
        over.cancel();
        Ok(code)
    };
    let shown = show(
        [Source::new(Some(output), FromShell::Output), Source::new(errors, FromShell::Errors)],
        &taken,
        to,
        &over,
    );
    let orders = Orders { queue: Some(queue), waiting: &waiting, signals, terminal };
    let ended = tokio::select! {
        ended = async { tokio::try_join!(life, shown) } => ended.map(|(code, ())| code),
        () = orders.obey(from) => Err(io::ErrorKind::ConnectionAborted.into()),
        never = feed(input, queued, &waiting, &taken) => match never {},
    };
    if !over.is_cancelled() {
        service.hang_up().await;
    }
    ended
}

/// Its exit code, once nothing of it is left.
async fn live(service: &mut Service, mut wanted: mpsc::Receiver<Signal>) -> i32 {
    loop {
        tokio::select! {
            code = service.ended() => return code,
            Some(signal) = wanted.recv() => service.signal(signal),
        }
    }
}

/// Where that goes which the other side wants.
struct Orders<'a> {
    /// What is to be read, until there is no more.
    queue: Option<UnboundedSender<Bytes>>,
    /// How many bytes of it nobody took yet.
    waiting: &'a Cell<usize>,
    signals: mpsc::Sender<Signal>,
    terminal: Option<OwnedFd>,
}

impl Orders<'_> {
    /// Does what is wanted until the connection ends, or nothing of it makes sense.
    async fn obey(mut self, from: &mut Incoming<impl AsyncRead + Unpin, ToShell>) {
        while let Ok(Some(order)) = from.next().await {
            if self.take(order).is_none() {
                return;
            }
        }
    }

    fn take(&mut self, order: ToShell) -> Option<()> {
        match order {
            ToShell::Start(_) => None,
            ToShell::Input(bytes) => {
                let waiting = self.waiting.get() + bytes.len();
                self.waiting.set(waiting);
                // Nothing has no size, but it takes room too.
                let fits = waiting <= WINDOW_BYTES && !bytes.is_empty();
                self.queue.as_ref().filter(|_| fits)?.send(bytes).ok()
            }
            ToShell::InputEnd => {
                self.queue = None;
                Some(())
            }
            ToShell::Resize(size) => match &self.terminal {
                Some(terminal) => resize(terminal, size).ok(),
                None => Some(()),
            },
            ToShell::Signal(shell::Signal::Interrupt) => self.signal(Signal::INT),
            ToShell::Signal(shell::Signal::Terminate) => self.signal(Signal::TERM),
        }
    }

    /// Who has not seen those before needs no more.
    fn signal(&self, signal: Signal) -> Option<()> {
        let _ = self.signals.try_send(signal);
        Some(())
    }
}

/// Gives it to read what waits.
async fn feed(
    mut input: Sender,
    mut queued: UnboundedReceiver<Bytes>,
    waiting: &Cell<usize>,
    taken: &Taken,
) -> Infallible {
    let mut reads = true;
    while let Some(bytes) = queued.recv().await {
        reads = reads && input.write_all(&bytes).await.is_ok();
        waiting.set(waiting.get().saturating_sub(bytes.len()));
        taken.add(bytes.len());
    }
    drop(input);
    pending().await
}

/// Sends what it writes, and what it took, until all of it was sent or nobody listens.
async fn show(
    [mut output, mut errors]: [Source; 2],
    taken: &Taken,
    to: &mut (impl AsyncWrite + Unpin),
    over: &CancellationToken,
) -> io::Result<()> {
    loop {
        let message = tokio::select! {
            message = output.next() => message,
            message = errors.next() => message,
            bytes = taken.next() => FromShell::Taken(bytes),
            () = over.cancelled() => break,
        };
        send(to, &message).await?;
    }
    for source in [&mut output, &mut errors] {
        while let Some(message) = source.left() {
            send(to, &message).await?;
        }
    }
    Ok(())
}

/// How much was taken and not told yet.
#[derive(Default)]
struct Taken {
    bytes: Cell<usize>,
    more: Notify,
}

impl Taken {
    fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
        self.more.notify_one();
    }

    async fn next(&self) -> u32 {
        self.more.notified().await;
        u32::try_from(self.bytes.take()).unwrap_or(u32::MAX)
    }
}

/// What it writes to one of its ends.
struct Source {
    pipe: Option<Receiver>,
    message: fn(Bytes) -> FromShell,
    buffer: Vec<u8>,
    /// How much is still read when it is over.
    left: usize,
}

impl Source {
    fn new(pipe: Option<Receiver>, message: fn(Bytes) -> FromShell) -> Self {
        Self { pipe, message, buffer: vec![0; MAX_BODY_BYTES], left: MAX_LEFT_BYTES }
    }

    /// What comes next; never, at its end.
    async fn next(&mut self) -> FromShell {
        if let Some(pipe) = &mut self.pipe {
            // A terminal says by an error that nobody has it any more.
            if let Ok(count @ 1..) = pipe.read(&mut self.buffer).await {
                return (self.message)(Bytes::copy_from_slice(&self.buffer[..count]));
            }
            self.pipe = None;
        }
        pending().await
    }

    /// What is there now. Others of the job may hold it open: they are not waited for.
    fn left(&mut self) -> Option<FromShell> {
        let count = read(self.pipe.as_ref()?, &mut self.buffer).ok().filter(|count| *count > 0)?;
        self.left = self.left.checked_sub(count)?;
        Some((self.message)(Bytes::copy_from_slice(&self.buffer[..count])))
    }
}
