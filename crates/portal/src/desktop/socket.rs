//! A WebSocket as a stream of bytes: what is read is in its binary messages, what is written becomes
//! some. Who is gone without a word, behind whatever proxies, is found out by asking.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Buf as _, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often the other side is asked whether it is there: browsers answer by themselves.
const QUESTION: Duration = Duration::from_secs(15);

/// How many times it may stay silent: an answer may wait behind a picture on a slow line.
const MOST_SILENT: u32 = 3;

/// A WebSocket as a stream of bytes.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: WebSocket,
    /// What is left of the last message.
    rest: Bytes,
    questions: Interval,
    /// A question is to be asked.
    asks: bool,
    /// How many were asked since it said anything.
    silent: u32,
}

impl Socket {
    pub(crate) fn new(inner: WebSocket) -> Self {
        let mut questions = interval_at(Instant::now() + QUESTION, QUESTION);
        questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { inner, rest: Bytes::new(), questions, asks: false, silent: 0 }
    }

    pub(crate) fn into_inner(self) -> WebSocket {
        self.inner
    }

    /// Asks from time to time; an error once there was no answer for too long.
    fn ask(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // Until it is pending: else nobody would wake us for the next.
        while self.questions.poll_tick(context).is_ready() {
            if self.silent == MOST_SILENT {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it is not there any more"));
            }
            self.silent += 1;
            self.asks = true;
        }
        let inner = &mut self.inner;
        if self.asks && Pin::new(&mut *inner).poll_ready(context).is_ready() {
            self.asks = false;
            let question = Message::Ping(Bytes::new());
            Pin::new(&mut *inner).start_send(question).map_err(io::Error::other)?;
            // What is left of it goes with what is written next, or with the next question.
            let _ = Pin::new(inner).poll_flush(context).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            self.ask(context)?;
            let said = ready!(Pin::new(&mut self.inner).poll_next(context));
            self.silent = 0;
            match said {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    let what = "it sent text; only binary messages are understood";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(e)) => return Poll::Ready(Err(io::Error::other(e))),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.inner).poll_ready(context)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.inner).start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context).map_err(io::Error::other)
    }
}
