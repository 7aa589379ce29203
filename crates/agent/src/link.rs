//! The way to the gateway that does not give up: the orchestrator may be restarting.
//!
//! Not here: the calls themselves and how they are repeated (crate `protocol`).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
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

/// How often to look: sooner than an engine gives up on a folder into which somebody still writes.
const LOOK: Duration = Duration::from_secs(1);

/// A client that tries again as long as trying again may help.
#[derive(Debug)]
pub(crate) struct Link {
    socket: PathBuf,
    client: Mutex<Client>,
}

impl Link {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.into(), client: Mutex::new(Client::new(socket)) }
    }

    /// Gets the session key, and opens the control stream, which proves that the key works.
    pub(crate) async fn begin(&self) -> Result<(Welcome, Controls), ClientError> {
        let mut backoff = Backoff::default();
        loop {
            let welcome = self.hello().await?;
            match self.control().await {
                // An earlier hello, given up here, was answered after this one; nobody has that key.
                Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED, .. }) => {
                    *self.client.lock().await = Client::new(&self.socket);
                    backoff.pause().await;
                }
                controls => return Ok((welcome, controls?)),
            }
        }
    }

    /// Says hello; the answer says what is durable.
    async fn hello(&self) -> Result<Welcome, ClientError> {
        persist(async || self.client.lock().await.hello(env!("CARGO_PKG_VERSION")).await).await
    }

    async fn control(&self) -> Result<Controls, ClientError> {
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

/// Returns once there can never be a gateway again: the host has removed the directory that the socket is
/// in, and what is mounted here of it takes no new one. A server that is merely away removes nothing. Never
/// returns where that cannot be told: where there is no such directory from the beginning, or on a file
/// system that counts no links.
pub(crate) async fn abandoned(socket: &Path) {
    let links = || Some(fs::metadata(socket.parent()?).ok()?.nlink());
    if links().is_none_or(|links| links == 0) {
        return std::future::pending().await;
    }
    while links() != Some(0) {
        tokio::time::sleep(LOOK).await;
    }
}
