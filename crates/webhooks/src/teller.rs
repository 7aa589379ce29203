//! The task that tells.
//!
//! ```text
//!            ┌───────── taken ─────────┐
//!            ▼                         │
//! outbox ─► next: due? ── yes ─► tell ─┼─ failed ─► put off, rest ─► next
//!            │ no                      └─ gone ───► closed until the server starts anew
//!            └─► until it is, or there is news
//! ```

use std::time::Duration;

use jobs::{Message, Outbox, StoreError};
use reqwest::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::call::{Answer, Hook};
use crate::plan;

/// How long the webhook may take for what is under way when the server goes down.
const GRACE: Duration = Duration::from_secs(2);

/// What a look into the outbox came to.
enum Turn {
    Told,
    Failed,
    /// Nothing is due before this.
    Idle(Option<Duration>),
    Closed,
}

/// Tells of jobs until `closing`; then what is due by then, as far as it is taken at once.
pub async fn run(outbox: Outbox, hook: Hook, closing: CancellationToken) {
    let client = match models::client() {
        Ok(client) => client,
        Err(e) => {
            return tracing::error!(
                "the webhook is told nothing until the server starts anew: {e}"
            );
        }
    };
    let end = async {
        closing.cancelled().await;
        sleep(GRACE).await;
    };
    let mut teller = Teller { outbox, hook, client, failures: 0 };
    tokio::select! {
        () = teller.work(&closing) => {}
        () = end => {}
    }
}

struct Teller {
    outbox: Outbox,
    hook: Hook,
    client: Client,
    /// How many tries failed in a row.
    failures: u32,
}

impl Teller {
    async fn work(&mut self, closing: &CancellationToken) {
        loop {
            let turn = self.turn().await.unwrap_or_else(|e| {
                tracing::error!("the webhook waits, the store failed: {e}");
                Turn::Failed
            });
            let done = match turn {
                Turn::Told => {
                    self.failures = 0;
                    continue;
                }
                Turn::Failed => {
                    self.failures = self.failures.saturating_add(1);
                    let rest = sleep(plan::rest(self.failures));
                    closing.run_until_cancelled(rest).await
                }
                Turn::Idle(pause) => closing.run_until_cancelled(self.news(pause)).await,
                Turn::Closed => None,
            };
            if done.is_none() {
                return;
            }
        }
    }

    async fn turn(&self) -> Result<Turn, StoreError> {
        let Some(message) = self.outbox.next().await? else { return Ok(Turn::Idle(None)) };
        let now = self.outbox.now();
        let pause = plan::until(message.due, now);
        if !pause.is_zero() {
            return Ok(Turn::Idle(Some(pause)));
        }
        match self.hook.tell(&self.client, &message, now).await {
            Answer::Taken => self.outbox.told(&message).await.map(|()| Turn::Told),
            Answer::Failed(why) => self.failed(&message, &why).await.map(|()| Turn::Failed),
            Answer::Gone => {
                tracing::warn!(
                    "the webhook at {} is gone (HTTP 410): it is told nothing more until the server \
                     starts anew",
                    self.hook.place()
                );
                self.outbox.close();
                Ok(Turn::Closed)
            }
        }
    }

    async fn failed(&self, message: &Message, why: &str) -> Result<(), StoreError> {
        let (job, kind, place) = (message.job.id, &message.kind, self.hook.place());
        match plan::pause(message.tries + 1) {
            Some(by) => {
                tracing::warn!(%job, "{place} does not take {kind}, again in {by:?}: {why}");
                self.outbox.put_off(message, by).await
            }
            None => {
                tracing::error!(%job, "{place} does not take {kind}, which is given up: {why}");
                self.outbox.give_up(message).await
            }
        }
    }

    /// Until there may be something to tell.
    async fn news(&self, pause: Option<Duration>) {
        let due = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = self.outbox.news() => {}
        }
    }
}
