//! A connection into a job, for one request: what one request or answer does to a connection can
//! never reach the next. A job has so many at one time, and further ones wait a little.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use jobs::{Holder, Jobs, Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use types::JobId;

use super::ProxyError;

/// The most of one job at one time. A page has six and its WebSockets; the agent allows twice as
/// many, and the desktop needs some.
const MOST: usize = 64;

/// How long to wait for one of them.
const QUEUE_PATIENCE: Duration = Duration::from_secs(10);

/// The most of the head of a program's answer, and what is kept of a body on its way.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many connections each job has.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<HashMap<JobId, Weak<Semaphore>>>);

/// A connection on which nothing was said yet.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<Held<Body, oneshot::Sender<()>>>,
    open: Open,
}

/// Keeps a connection open, and its place taken.
#[derive(Debug)]
pub(super) struct Open {
    _carrying: AbortOnDropHandle<()>,
    _place: OwnedSemaphorePermit,
}

/// A body, and what is to be dropped with it.
#[derive(Debug)]
pub(super) struct Held<B, H> {
    body: B,
    _held: H,
}

impl Lines {
    /// Opens one, for as long as its holder may have it.
    pub(super) async fn open(
        &self,
        jobs: &Jobs,
        job: JobId,
        to: Target,
        holder: Option<Holder>,
    ) -> Result<Line, ProxyError> {
        let place = timeout(QUEUE_PATIENCE, self.places(job).acquire_owned()).await;
        // Nobody closes it.
        let place = place.ok().and_then(Result::ok).ok_or(ProxyError::Full)?;
        let stream = jobs.dial(job, to).await?.into_inner();
        let http = http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(stream).await;
        let (sender, connection) = http?;
        let jobs = jobs.clone();
        let carrying = tokio::spawn(async move {
            tokio::select! {
                () = jobs.lapsed(holder) => {}
                carried = connection.with_upgrades() => if let Err(e) = carried {
                    tracing::debug!(%job, "a connection into the job ended early: {e}");
                }
            }
        });
        let carrying = AbortOnDropHandle::new(carrying);
        Ok(Line { sender, open: Open { _carrying: carrying, _place: place } })
    }

    fn places(&self, job: JobId) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, places| places.strong_count() > 0);
        let places = all.get(&job).and_then(Weak::upgrade);
        let places = places.unwrap_or_else(|| Arc::new(Semaphore::new(MOST)));
        all.insert(job, Arc::downgrade(&places));
        places
    }
}

impl Line {
    /// The answer to come, and what must be kept until its last byte.
    pub(super) fn send(
        mut self,
        request: Request<Held<Body, oneshot::Sender<()>>>,
    ) -> (impl Future<Output = hyper::Result<Response<Incoming>>>, Open) {
        (self.sender.send_request(request), self.open)
    }
}

impl<B, H> Held<B, H> {
    pub(super) fn new(body: B, held: H) -> Self {
        Self { body, _held: held }
    }
}

impl<B: HttpBody + Unpin, H: Unpin> HttpBody for Held<B, H> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
