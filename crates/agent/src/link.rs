//! The way to the gateway that does not give up: the orchestrator may be restarting.
//!
//! Not here: the calls themselves and how they are repeated (crate `protocol`).

use std::path::Path;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use protocol::{
    Backoff, Client, ClientError, Control, Controls, Inbox, Outbox, Report, Tunnels, Welcome,
    persist,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use types::{ModelAnswer, ModelRequest};

use crate::inward::Inward;

/// A client that tries again as long as trying again may help.
#[derive(Debug)]
pub(crate) struct Link {
    client: Mutex<Client>,
}

impl Link {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { client: Mutex::new(Client::new(socket)) }
    }

    /// Says hello. The first one brings the session key; each one says what is durable.
    pub(crate) async fn hello(&self) -> Result<Welcome, ClientError> {
        persist(async || self.client.lock().await.hello(env!("CARGO_PKG_VERSION")).await).await
    }

    /// Opens the control stream; that it opened proves that the session key works.
    pub(crate) async fn control(&self) -> Result<Controls, ClientError> {
        persist(async || self.client.lock().await.control().await).await
    }

    /// What opens connections to hosts, once the session key is there.
    pub(crate) async fn tunnels(&self) -> Tunnels {
        self.client.lock().await.tunnels()
    }

    /// Asks a model; that none answers is an answer. Reports go on meanwhile.
    pub(crate) async fn ask(&self, question: &ModelRequest) -> Result<ModelAnswer, ClientError> {
        let client = self.client.lock().await.another();
        persist(async || client.model(question).await).await
    }

    /// Brings a connection that the orchestrator asked for; an error if it does not want it any more.
    pub(crate) async fn arrive(&self, n: u64) -> Result<TokioIo<Upgraded>, ClientError> {
        let client = self.client.lock().await.another();
        persist(async || client.arrive(n).await).await
    }

    /// Says why there is no connection that the orchestrator asked for.
    pub(crate) async fn refuse(&self, n: u64, why: &str) {
        let client = self.client.lock().await.another();
        // An error is that nobody waits for it any more.
        drop(persist(async || client.refuse(n, why).await).await);
    }

    /// Sends whatever comes into the outbox; returns only with an error.
    pub(crate) async fn deliver(&self, outbox: &Outbox) -> ClientError {
        protocol::deliver(outbox, async |batch| self.report(batch).await).await
    }

    /// Obeys the control stream; returns only with an error.
    pub(crate) async fn obey(
        &self,
        mut controls: Controls,
        cancel: &CancellationToken,
        inbox: &Inbox,
        inward: &Inward,
    ) -> ClientError {
        let mut backoff = Backoff::default();
        loop {
            match controls.next().await {
                Ok(Some(control)) => {
                    backoff = Backoff::default();
                    match control {
                        Control::Ready => {}
                        Control::Instruction(instruction) => inbox.take(instruction),
                        Control::Dial(dial) => inward.open(dial),
                        Control::Cancel => cancel.cancel(),
                    }
                    continue;
                }
                Err(error) if !error.is_passing() => return error,
                Ok(None) | Err(_) => backoff.pause().await,
            }
            controls = match self.control().await {
                Ok(controls) => controls,
                Err(error) => return error,
            };
        }
    }

    /// Sends once; after a passing error asks what arrived nevertheless.
    async fn report(&self, batch: &[Report]) -> Result<u64, ClientError> {
        // The lock must be free again for the hello.
        let answer = self.client.lock().await.report(batch).await;
        match answer {
            Ok(ack) => Ok(ack.acked),
            Err(error) if error.is_passing() => Ok(self.hello().await?.acked),
            Err(error) => Err(error),
        }
    }
}
