//! A connection that ends when its client does not take what it asked for.
//!
//! Only writing is watched: a connection with nothing to write may be silent. Not here: clients that
//! do not say what they want (`listener`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose writes fail once nothing could be written for as long as its patience.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    deadline: Pin<Box<Sleep>>,
    waits: bool,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Patient {
    /// `slot` is given back with the stream.
    pub(crate) fn new(
        stream: TcpStream,
        patience: Duration,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let deadline = Box::pin(sleep(patience));
        Self { stream, patience, deadline, waits: false, _slot: slot }
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
        if !self.waits {
            self.waits = true;
            self.deadline.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.deadline.as_mut().poll(context));
        let what = "the client does not read what is sent to it";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
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
        (Patient::new(listener.accept().await.unwrap().0, patience, None), client)
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
        let mut buffer = vec![0; 1 << 16];
        let mut received = 0;
        while received < MUCH {
            received += client.read(&mut buffer).await.unwrap();
        }
        sent.await.unwrap().unwrap();
    }
}
