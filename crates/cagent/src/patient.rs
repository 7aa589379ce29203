//! A connection that ends when its client does not take what it asked for.
//!
//! Only writing is watched: a connection with nothing to write may be silent. One that became
//! something else than HTTP is a person's, who may stop reading for as long as they like (Ctrl-S, a
//! pager); it ends when their machine does not answer any more. Not here: clients that do not say what
//! they want (`listener`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::unheard::is_unheard;

/// How often it is looked whether a person's machine answers.
const LOOK: Duration = Duration::from_secs(10);

/// So many times in a row it may not: as long as for a connection on which nothing is under way.
const MOST_UNHEARD: u32 = 5;

/// Says of a connection that it is not HTTP any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upgraded(Arc<AtomicBool>);

/// A stream whose writes fail once nothing could be written for as long as its patience.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    patience: Duration,
    upgraded: Upgraded,
    /// Runs while a write waits; of a person's connection, until the next look.
    deadline: Pin<Box<Sleep>>,
    waits: bool,
    is_persons: bool,
    /// How many times in a row their machine did not answer.
    unheard: u32,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Upgraded {
    /// From now on.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Patient {
    /// `slot` is given back with the stream.
    pub(crate) fn new(
        stream: TcpStream,
        patience: Duration,
        upgraded: Upgraded,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let deadline = Box::pin(sleep(patience));
        let (waits, is_persons, unheard) = (false, false, 0);
        Self { stream, patience, upgraded, deadline, waits, is_persons, unheard, _slot: slot }
    }

    /// Passes on what a write came to, unless it waits for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = false;
            return written;
        }
        if self.is_persons() {
            return self.look(context).map(Err);
        }
        if !self.waits {
            self.waits = true;
            self.deadline.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(timed_out("the client does not read what is sent to it")))
    }

    fn is_persons(&mut self) -> bool {
        if !self.is_persons && self.upgraded.0.load(Ordering::Relaxed) {
            self.is_persons = true;
            self.deadline.as_mut().reset(Instant::now() + LOOK);
            // The kernel's own takes who does not read for who is gone.
            if let Err(e) = set_tcp_user_timeout(&self.stream, 0) {
                tracing::debug!("could not allow a client not to read: {e}");
            }
        }
        self.is_persons
    }

    /// Ready when the other machine is gone.
    fn look(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.deadline.as_mut().poll(context));
            self.deadline.as_mut().reset(Instant::now() + LOOK);
            self.unheard = if is_unheard(&self.stream) { self.unheard + 1 } else { 0 };
            if self.unheard >= MOST_UNHEARD {
                return Poll::Ready(timed_out("the client's machine does not answer"));
            }
        }
    }
}

fn timed_out(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read.is_pending() && self.is_persons() {
            true => self.look(context).map(Err),
            false => read,
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// More than the buffers of a connection hold.
    const MUCH: usize = 64 << 20;

    async fn connection(patience: Duration) -> (Patient, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        (Patient::new(stream, patience, Upgraded::default(), None), client)
    }

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (mut server, _client) = connection(Duration::from_millis(50)).await;
        let error = server.write_all(&vec![0; MUCH]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Also after a silence, which is no offence.
    #[tokio::test]
    async fn who_reads_gets_it_all() {
        let patience = Duration::from_secs(30);
        let (mut server, mut client) = connection(patience).await;
        tokio::time::pause();
        tokio::time::advance(2 * patience).await;
        tokio::time::resume();
        let sent = tokio::spawn(async move { server.write_all(&vec![0; MUCH]).await });
        client.read_exact(&mut vec![0; MUCH]).await.unwrap();
        sent.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_person_may_stop_reading_for_as_long_as_they_like() {
        let patience = Duration::from_secs(30);
        let (mut server, mut client) = connection(patience).await;
        set_tcp_user_timeout(&server.stream, 50_000).unwrap();
        server.upgraded.set();
        let mut sent = tokio::spawn(async move {
            server.write_all(&vec![0; MUCH]).await.unwrap();
            rustix::net::sockopt::tcp_user_timeout(&server.stream).unwrap()
        });
        tokio::time::pause();
        tokio::time::timeout(100 * patience, &mut sent).await.unwrap_err();
        tokio::time::resume();
        client.read_exact(&mut vec![0; MUCH]).await.unwrap();
        assert_eq!(sent.await.unwrap(), 0, "the kernel gives nobody up for that either");
    }
}
