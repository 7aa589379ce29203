use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::{Instruction, SOCKET_NAME};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::dials::Dialer;
use crate::egress::{EgressPolicy, Exit};
use crate::orders::Orders;
use crate::routes::Session;
use crate::socket::Socket;
use crate::{KeyState, Sink, connections};

/// One job's open gateway. Dropping it closes it.
#[derive(Debug)]
pub struct Gateway {
    socket: PathBuf,
    dialer: Dialer,
    orders: watch::Sender<Orders>,
    closing: CancellationToken,
    server: JoinHandle<()>,
    teller: JoinHandle<()>,
}

/// How long connections may take to end by themselves.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the sink may take for what is left to be told.
const SINK_PATIENCE: Duration = Duration::from_secs(5);

/// Why a gateway could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("open the gateway {}: {source}", socket.display())]
pub struct OpenError {
    socket: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Gateway {
    /// Opens the job's socket in `dir`, which its sandbox sees as `/run/cagent`. After a restart of
    /// the orchestrator the same call re-makes it and the agent finds it again. `instructions` are
    /// those that were given before.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(
        dir: &Path,
        key: KeyState,
        sink: Arc<dyn Sink>,
        egress: EgressPolicy,
        instructions: Vec<Instruction>,
    ) -> Result<Self, OpenError> {
        let socket = dir.join(SOCKET_NAME);
        let opened =
            Socket::open(dir).map_err(|source| OpenError { socket: socket.clone(), source })?;
        let (orders, ordered) = watch::channel(Orders::new(instructions));
        let closing = CancellationToken::new();
        let dialer = Dialer::new(orders.clone(), closing.clone());
        let exit = Exit::new(egress, closing.clone());
        let teller = tokio::spawn(exit.clone().tell(sink.clone()).in_current_span());
        let session = Session::new(key, sink, ordered, exit, dialer.waiting(), closing.clone());
        let serving = connections::serve(opened, session, closing.clone());
        let server = tokio::spawn(serving.in_current_span());
        Ok(Self { socket, dialer, orders, closing, server, teller })
    }

    /// What opens connections into the sandbox.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// Tells the agent, now or when it next connects, to stop.
    pub fn cancel(&self) {
        self.orders.send_modify(Orders::cancel);
    }

    /// Tells the agent, now or when it next connects, what a person wants. One whose number is not
    /// above those before was told already.
    pub fn instruct(&self, instruction: Instruction) {
        self.orders.send_if_modified(|orders| orders.instruct(instruction));
    }

    /// Closes every connection, has told of every one, and removes the socket.
    pub async fn close(mut self) {
        self.closing.cancel();
        if timeout(PATIENCE, &mut self.server).await.is_err() {
            // The connections are dropped with the task.
            self.server.abort();
        }
        if timeout(SINK_PATIENCE, &mut self.teller).await.is_err() {
            tracing::warn!("{}: not every connection was recorded in time", self.socket.display());
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.closing.cancel();
        self.server.abort();
        drop(std::fs::remove_file(&self.socket));
    }
}
