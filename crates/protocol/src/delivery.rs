//! How agentd brings what it reports through to the orchestrator, which may be restarting.
//!
//! Not here: what is waiting ([`crate::Outbox`]), the calls themselves ([`crate::Client`]).

use std::time::Duration;

use tokio::time::sleep;

use crate::{ClientError, Outbox, Report};

/// Sends whatever comes into the outbox, again and again until it is durable; returns only with an
/// error. `send` tries once and answers up to which number reports are durable then, whether the
/// try worked or not.
pub async fn deliver(
    outbox: &Outbox,
    mut send: impl AsyncFnMut(&[Report]) -> Result<u64, ClientError>,
) -> ClientError {
    loop {
        let mut batch = outbox.batch().await;
        let mut backoff = Backoff::default();
        while let Some(first) = batch.first().map(|report| report.n) {
            let acked = match send(&batch).await {
                Ok(acked) => acked,
                Err(error) => return error,
            };
            outbox.ack(acked);
            batch.retain(|report| report.n > acked);
            if acked < first {
                backoff.pause().await;
            }
        }
    }
}

/// Repeats a call until it succeeds or fails for good.
///
/// # Errors
/// One that does not pass.
pub async fn persist<T>(
    mut call: impl AsyncFnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if error.is_passing() => backoff.pause().await,
            result => return result,
        }
    }
}

/// Pauses of 20 ms to 1 s: short enough that nobody notices a restart, long enough to cost nothing.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(20))
    }
}

impl Backoff {
    /// Waits, the next time longer.
    pub async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(1));
    }
}
