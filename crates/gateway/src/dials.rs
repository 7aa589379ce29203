//! Ways into a sandbox: the orchestrator names a target, the agent brings a connection to it.
//!
//! Not here: who may ask for one (crates `jobs`, `portal`), how the agent reaches the target.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use protocol::{Dial, Target};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::orders::Orders;

/// How long the agent may take: Jupyter starts in seconds on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most of one job that wait at one time.
const MAX_WAITING: usize = 64;

/// A connection into a sandbox.
pub type Inward = TokioIo<Upgraded>;

/// Why there is no connection into a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The agent could not reach the target; its words, which are hostile.
    #[error("{0}")]
    Refused(String),
    /// The agent did not answer, or broke off.
    #[error("the sandbox did not open the connection in time; try again")]
    TimedOut,
    /// Too many wait already.
    #[error("{MAX_WAITING} connections into this sandbox are being made; try again")]
    Busy,
    /// The gateway is closed.
    #[error("the sandbox is gone")]
    Gone,
}

/// Opens connections into one sandbox. Cheap to clone; outlives the gateway, and then fails.
#[derive(Clone, Debug)]
pub struct Dialer {
    orders: watch::Sender<Orders>,
    waiting: Arc<Waiting>,
    closing: CancellationToken,
}

type Answer = Result<Inward, String>;

/// Who waits for which connection.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<u64, oneshot::Sender<Answer>>>);

impl Dialer {
    pub(crate) fn new(orders: watch::Sender<Orders>, closing: CancellationToken) -> Self {
        Self { orders, waiting: Arc::default(), closing }
    }

    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        self.waiting.clone()
    }

    /// Opens a connection to this target, which may start what is behind it.
    ///
    /// # Errors
    /// [`DialError`]
    pub async fn dial(&self, to: Target) -> Result<Inward, DialError> {
        let (n, answer) = self.ask(to)?;
        // Taken back when the caller leaves, too.
        let _entry = Entry { dialer: self, n };
        match self.closing.run_until_cancelled(timeout(PATIENCE, answer)).await {
            Some(Ok(Ok(answer))) => answer.map_err(DialError::Refused),
            // The agent broke off in the midst of it, which is as good as never having come.
            Some(Ok(Err(_)) | Err(_)) => Err(DialError::TimedOut),
            None => Err(DialError::Gone),
        }
    }

    /// Numbers are given under the lock, so that they are told in their order.
    fn ask(&self, to: Target) -> Result<(u64, oneshot::Receiver<Answer>), DialError> {
        let mut entered = Err(DialError::Busy);
        self.orders.send_modify(|orders| {
            entered = self.waiting.enter();
            if let Ok((n, _)) = entered {
                orders.dial(Dial { n, to });
            }
        });
        entered
    }
}

struct Entry<'a> {
    dialer: &'a Dialer,
    n: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.dialer.waiting.take(self.n);
        self.dialer.orders.send_modify(|orders| orders.take_back(self.n));
    }
}

impl Waiting {
    fn enter(&self) -> Result<(u64, oneshot::Receiver<Answer>), DialError> {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_WAITING {
            return Err(DialError::Busy);
        }
        let (sender, answer) = oneshot::channel();
        let n = next();
        waiting.insert(n, sender);
        Ok((n, answer))
    }

    /// The connection is there, as soon as the agent has read our answer; false if nobody waits.
    pub(crate) fn arrived(&self, n: u64, stream: OnUpgrade) -> bool {
        let Some(waiting) = self.take(n) else { return false };
        tokio::spawn(async move {
            // If the agent has gone meanwhile, whoever waits learns that by the channel.
            if let Ok(stream) = stream.await {
                drop(waiting.send(Ok(TokioIo::new(stream))));
            }
        });
        true
    }

    /// There is no connection; false if nobody waits.
    pub(crate) fn refused(&self, n: u64, why: String) -> bool {
        self.take(n).is_some_and(|waiting| waiting.send(Err(why)).is_ok())
    }

    fn take(&self, n: u64) -> Option<oneshot::Sender<Answer>> {
        self.lock().remove(&n)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time, so that it grows also across restarts, and more than that if two come at once.
fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    let now = u64::try_from(now).unwrap_or_default();
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(now.max(last.saturating_add(1)))
    });
    last.map_or(now, |last| now.max(last.saturating_add(1)))
}
