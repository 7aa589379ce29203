use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::handle::{Reaction, handle};
use super::state::State;
use super::wire::Body;
use super::{Counters, Provider, Reply, Scenario, Seen};
use crate::PATIENCE;

/// A server that answers as models of all providers would, from a script. It ends with its last
/// owner.
#[derive(Debug)]
pub struct ScriptedModel {
    state: Arc<State>,
    address: SocketAddr,
    down: Down,
    accepting: AbortHandle,
}

/// An address that is ours and nobody listens on.
#[derive(Debug)]
struct Down {
    address: SocketAddr,
    providers: Vec<Provider>,
    _socket: TcpSocket,
}

/// How to start a [`ScriptedModel`].
#[derive(Debug)]
pub struct ScriptedModelBuilder {
    scenario: Scenario,
    closure: Option<OpaqueClosure>,
    listen: SocketAddr,
    keep: bool,
}

struct OpaqueClosure(super::state::Closure);

impl ScriptedModel {
    /// Plays a scenario.
    pub async fn start(scenario: Scenario) -> Self {
        Self::builder(scenario).start().await
    }

    /// Says what a function makes of each request. A reply's fault happens, whatever its `times`.
    pub async fn with(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::builder(Scenario::default()).with(reply).start().await
    }

    /// With more wishes.
    #[must_use]
    pub fn builder(scenario: Scenario) -> ScriptedModelBuilder {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        ScriptedModelBuilder { scenario, closure: None, listen, keep: true }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A provider's base URL, as its setting wants it.
    #[must_use]
    pub fn url(&self, provider: Provider) -> String {
        let down = self.down.providers.contains(&provider);
        let address = if down { self.down.address } else { self.address };
        format!("http://{address}{}", provider.base_path())
    }

    /// The settings by which `cagent` asks these providers here, in this order.
    #[must_use]
    pub fn settings(&self, providers: &[Provider]) -> Vec<(&'static str, String)> {
        let order: Vec<&str> = providers.iter().map(|p| p.as_str()).collect();
        let mut settings = vec![("CAGENT_MODELS", order.join(","))];
        for provider in providers {
            let [url, key, model] = provider.settings();
            settings.push((url, self.url(*provider)));
            settings.push((model, provider.model().into()));
            // Ollama has none.
            if *provider != Provider::Ollama {
                settings.push((key, provider.key().into()));
            }
        }
        settings
    }

    /// What was asked so far; nothing if it forgets.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Seen>> {
        self.state.requests()
    }

    /// What was wrong with requests, and what the scenario had no answer to.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.state.complaints()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state.counters()
    }

    /// Waits until so many requests have come.
    ///
    /// # Panics
    /// If they do not in [`PATIENCE`].
    pub async fn wait_for(&self, requests: u64) {
        let mut recorded = self.state.recorded();
        let enough = recorded.wait_for(|n| *n >= requests);
        let waited = tokio::time::timeout(PATIENCE, enough).await.is_ok_and(|r| r.is_ok());
        assert!(waited, "{requests} requests did not come: {:?}", self.counters());
    }
}

impl ScriptedModelBuilder {
    /// Asks a function instead of the scenario's replies.
    #[must_use]
    pub fn with(mut self, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        self.closure = Some(OpaqueClosure(Box::new(reply)));
        self
    }

    /// Listens here instead of on any port.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Counts requests and forgets them.
    #[must_use]
    pub fn forget(mut self) -> Self {
        self.keep = false;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot listen there.
    pub async fn start(self) -> ScriptedModel {
        self.try_start().await.unwrap_or_else(|e| panic!("start a scripted model: {e}"))
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub async fn try_start(self) -> std::io::Result<ScriptedModel> {
        let listener = TcpListener::bind(self.listen).await?;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let providers = self.scenario.down.clone();
        let down = Down { address: socket.local_addr()?, providers, _socket: socket };
        let closure = self.closure.map(|closure| closure.0);
        let state = Arc::new(State::new(self.scenario, closure, self.keep));
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(ScriptedModel { state, address, down, accepting })
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for OpaqueClosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("|seen| ..")
    }
}

/// Connections live as long as this does.
async fn accept(listener: TcpListener, state: Arc<State>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&state)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| Box::pin(answer(&state, request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let gone = ended.as_ref().err().and_then(|e| e.source()?.downcast_ref::<Gone>());
    if gone.is_some_and(|gone| gone.reset) {
        // Closing it is a reset then.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// The connection is to end without an answer.
#[derive(Debug)]
struct Gone {
    reset: bool,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scenario wants no answer")
    }
}

impl Error for Gone {}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Body>, Gone> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Gone { reset: false })?.to_bytes();
    match handle(state, &head, body).await {
        Reaction::Answer(wire) => Ok(wire.response()),
        Reaction::Close => Err(Gone { reset: false }),
        Reaction::Reset => Err(Gone { reset: true }),
        Reaction::Silence => std::future::pending().await,
    }
}
