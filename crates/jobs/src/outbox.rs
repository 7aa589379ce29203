//! What happens to jobs, for who tells it to others (crate `webhooks`). The store keeps it, by the
//! change that makes it true; here it is taken out, message by message, and counted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use store::{Message, StoreError};

use crate::service::{Inner, Jobs};

/// What is still to be told. For one who tells.
#[derive(Debug)]
pub struct Outbox {
    inner: Arc<Inner>,
}

impl Jobs {
    /// What is still to be told of jobs; it fills if [`crate::Config::tells`].
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox { inner: self.inner.clone() }
    }
}

impl Outbox {
    /// The message whose turn is next, due or not. Those of one job come one after the other. One that
    /// cannot be read is given up, and so were the oldest of too many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&self) -> Result<Option<Message>, StoreError> {
        let Inner { store, metrics, .. } = &*self.inner;
        let crowded_out = store.crowded_out();
        if crowded_out > 0 {
            tracing::warn!("gave up {crowded_out} messages to the webhook: too many wait");
            metrics.told("given_up", crowded_out);
        }
        loop {
            match store.next_message().await {
                Err(StoreError::BadMessage { id, job, why }) => {
                    store.drop_message(id).await?;
                    tracing::error!(%job, "gave up a message to the webhook that cannot be read: {why}");
                    metrics.told("given_up", 1);
                }
                next => return next,
            }
        }
    }

    /// Returns when there is a message that was not there the last time.
    pub async fn news(&self) {
        self.inner.store.new_message().await;
    }

    /// What time it is for the jobs.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.config.clock.now()
    }

    /// The message was told.
    ///
    /// # Errors
    /// When the store fails; it will be told again.
    pub async fn told(&self, message: &Message) -> Result<(), StoreError> {
        self.inner.metrics.told("delivered", 1);
        self.inner.store.drop_message(message.id).await
    }

    /// It could not be told, and is due again after this.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_off(&self, message: &Message, by: Duration) -> Result<(), StoreError> {
        self.inner.metrics.told("failed", 1);
        self.inner.store.put_off(message.id, self.now() + by).await
    }

    /// It could not be told, and never will be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn give_up(&self, message: &Message) -> Result<(), StoreError> {
        self.inner.metrics.told("failed", 1);
        self.inner.metrics.told("given_up", 1);
        self.inner.store.drop_message(message.id).await
    }

    /// Nobody wants to hear more: what happens from now on is not kept for them.
    pub fn close(&self) {
        self.inner.store.fill_outbox(false);
    }
}
