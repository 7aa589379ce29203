//! Who keeps the [`Ledger`] of a job's connections and tells the sink what is in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use types::{Egress, EgressVerdict};

use super::dial::Failure;
use super::ledger::Ledger;
use crate::{Sink, SinkError};

/// The pause after the sink could not keep something.
const SINK_PAUSE: Duration = Duration::from_secs(1);

/// One job's account.
#[derive(Debug)]
pub(super) struct Account {
    ledger: Mutex<Ledger>,
    changed: Notify,
    open: TaskTracker,
}

impl Account {
    pub(super) fn new() -> Arc<Self> {
        let ledger = Mutex::new(Ledger::new(Instant::now()));
        Arc::new(Self { ledger, changed: Notify::new(), open: TaskTracker::new() })
    }

    /// Begins the entry of a connection.
    pub(super) fn enter(self: &Arc<Self>, host: &str, port: u16) -> Entry {
        Entry {
            account: self.clone(),
            began: Instant::now(),
            host: host.into(),
            port,
            outcome: Err(Failure::unavailable("the job did not wait for it")),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            _open: self.open.token(),
        }
    }

    /// As long as somebody has this, there may be another entry.
    pub(super) fn hold(&self) -> TaskTrackerToken {
        self.open.token()
    }

    /// Tells the sink until `closing`, and then what is left when nobody can add to it any more.
    pub(super) async fn tell(&self, sink: &dyn Sink, closing: &CancellationToken) {
        while closing.run_until_cancelled(self.ready()).await.is_some() {
            // Never called off: what was taken from the ledger is nowhere else.
            let ready = self.lock().take(Instant::now());
            tell_all(sink, ready, closing).await;
        }
        self.open.close();
        self.open.wait().await;
        let rest = self.lock().take_all();
        tell_all(sink, rest, closing).await;
    }

    /// Until there is something to tell.
    async fn ready(&self) {
        let due = self.lock().due();
        tokio::select! {
            () = self.changed.notified() => {}
            () = until(due) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Tries until all are kept; meanwhile the ledger sums up. When closing, once more at most.
async fn tell_all(sink: &dyn Sink, all: Vec<Egress>, closing: &CancellationToken) {
    for egress in all {
        loop {
            let is_last = closing.is_cancelled();
            match sink.egress(egress.clone()).await {
                Ok(()) => break,
                Err(SinkError::Unavailable(_)) if !is_last => {
                    let _ = closing.run_until_cancelled(sleep(SINK_PAUSE)).await;
                }
                Err(error) => {
                    tracing::warn!("a connection of a job was not recorded: {error}");
                    break;
                }
            }
        }
    }
}

/// A connection on its way into the ledger; dropping it puts it there, however that comes about.
#[derive(Debug)]
pub(super) struct Entry {
    account: Arc<Account>,
    began: Instant,
    host: String,
    port: u16,
    outcome: Result<(), Failure>,
    sent: AtomicU64,
    received: AtomicU64,
    _open: TaskTrackerToken,
}

impl Entry {
    pub(super) fn set_outcome(&mut self, outcome: Result<(), Failure>) {
        self.outcome = outcome;
    }

    pub(super) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (verdict, why) = match std::mem::replace(&mut self.outcome, Ok(())) {
            Ok(()) => (EgressVerdict::Allowed, None),
            Err(failure) => (failure.verdict(), Some(failure.why)),
        };
        let egress = Egress {
            host: std::mem::take(&mut self.host),
            port: self.port,
            verdict,
            why,
            sent_bytes: *self.sent.get_mut(),
            received_bytes: *self.received.get_mut(),
            millis: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            count: 1,
        };
        self.account.lock().add(Instant::now(), egress);
        self.account.changed.notify_one();
    }
}
