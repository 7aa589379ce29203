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

    /// Tells the sink until `closing`, and then what is left when the last connection has ended.
    pub(super) async fn tell(&self, sink: &dyn Sink, closing: &CancellationToken) {
        let _ = closing.run_until_cancelled(self.tell_for_ever(sink)).await;
        self.open.close();
        self.open.wait().await;
        let rest = self.lock().take_all();
        for egress in rest {
            if let Err(e) = sink.egress(egress).await {
                tracing::warn!("a connection of a job could not be recorded: {e}");
            }
        }
    }

    async fn tell_for_ever(&self, sink: &dyn Sink) {
        loop {
            let due = self.lock().due();
            tokio::select! {
                () = self.changed.notified() => {}
                () = until(due) => {}
            }
            let ready = self.lock().take(Instant::now());
            for egress in ready {
                tell_one(sink, egress).await;
            }
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

/// Tries until it is kept; meanwhile the ledger sums up.
async fn tell_one(sink: &dyn Sink, egress: Egress) {
    while let Err(error) = sink.egress(egress.clone()).await {
        match error {
            SinkError::Unavailable(_) => sleep(SINK_PAUSE).await,
            SinkError::Refused(why) => {
                return tracing::warn!("a connection of a job was not recorded: {why}");
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
