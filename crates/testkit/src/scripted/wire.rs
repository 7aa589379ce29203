//! An answer on its way: frames, pauses between them, and how it ends.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;

/// What goes over the wire.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer of any kind.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    /// One for an answer in one piece.
    pub(super) frames: Vec<Bytes>,
    /// Whether its length is said before.
    pub(super) whole: bool,
    /// Before each frame.
    pub(super) pause: Duration,
    pub(super) ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Orderly,
    /// The connection breaks.
    Broken,
    /// It never does.
    Never,
}

/// How long what was sent may take to leave, before the connection is broken.
const LEAVE: Duration = Duration::from_millis(20);

impl Wire {
    /// One JSON document.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::whole(status, "application/json; charset=utf-8", body.to_string())
    }

    /// A body in one piece.
    pub(super) fn whole(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", kind.into())],
            frames: vec![body.into()],
            whole: true,
            pause: Duration::ZERO,
            ending: Ending::Orderly,
        }
    }

    /// Frames.
    pub(super) fn stream(kind: &str, frames: Vec<Bytes>) -> Self {
        Self { frames, whole: false, ..Self::whole(200, kind, "") }
    }

    /// It as hyper wants it.
    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        let plain = self.ending == Ending::Orderly && self.pause.is_zero();
        let body = if self.whole && plain {
            let body = self.frames.into_iter().next().unwrap_or_default();
            Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
        } else {
            if self.whole {
                response = response.header("content-length", self.length());
            }
            let playing = (self.frames.into_iter(), self.pause, self.ending);
            StreamBody::new(futures_util::stream::unfold(playing, play)).boxed_unsync()
        };
        response.body(body).expect("a response")
    }

    /// All of it, faults included.
    fn length(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum::<usize>()
            + usize::from(self.ending != Ending::Orderly)
    }
}

type Playing = (std::vec::IntoIter<Bytes>, Duration, Ending);

async fn play(mut playing: Playing) -> Option<(io::Result<Frame<Bytes>>, Playing)> {
    if let Some(frame) = playing.0.next() {
        if !playing.1.is_zero() {
            tokio::time::sleep(playing.1).await;
        }
        return Some((Ok(Frame::data(frame)), playing));
    }
    match playing.2 {
        Ending::Orderly => None,
        Ending::Broken => {
            tokio::time::sleep(LEAVE).await;
            Some((Err(io::ErrorKind::ConnectionAborted.into()), playing))
        }
        Ending::Never => std::future::pending().await,
    }
}
