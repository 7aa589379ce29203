mod dials;

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use types::{ModelAnswer, ModelRequest};

use crate::{Ack, Control, Hello, Report, Tunnels, VERSION, Welcome, path};

/// The largest answer agentd reads: a spec with its runbook, and room to spare.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// agentd's half of the protocol: one keep-alive connection for calls.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    key: Option<String>,
    connection: Option<Connection>,
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke. Try again.
    #[error("connect to the gateway at {socket}: {source}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke in mid-call. Try again.
    #[error("call the gateway: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gateway refused; trying again changes nothing.
    #[error("the gateway refused {path}: {status} {message}")]
    Refused {
        /// The call.
        path: &'static str,
        /// Its status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// The answer was not what the protocol says.
    #[error("read the gateway's answer: {0}")]
    Answer(#[from] serde_json::Error),
}

impl ClientError {
    /// Whether the same call may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Transport(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Answer(_) => false,
        }
    }
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// A client for this socket; connects when first used.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), key: None, connection: None }
    }

    /// Says hello and keeps the session key, if this answer brought one.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn hello(&mut self, agent_version: &str) -> Result<Welcome, ClientError> {
        let hello = Hello { protocol: VERSION, agent_version: agent_version.into() };
        let body = serde_json::to_vec(&hello)?;
        let mut welcome: Welcome = self.post(path::HELLO, body).await?;
        if let Some(key) = welcome.session_key.take() {
            self.key = Some(key);
        }
        Ok(welcome)
    }

    /// Sends reports; the answer says up to which number they are durable.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn report(&mut self, reports: &[Report]) -> Result<Ack, ClientError> {
        let mut body = Vec::new();
        for report in reports {
            serde_json::to_writer(&mut body, report)?;
            body.push(b'\n');
        }
        self.post(path::REPORTS, body).await
    }

    /// Opens the stream of control messages, on a connection of its own.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn control(&self) -> Result<Controls, ClientError> {
        let mut connection = connect(&self.socket).await?;
        let request = self.request(Method::GET, path::CONTROL, Vec::new())?;
        let answer = send(&mut connection, request).await?;
        let answer = accepted(path::CONTROL, answer).await?;
        Ok(Controls { body: answer.into_body(), buffer: BytesMut::new(), _connection: connection })
    }

    /// Another client of the same session, with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { socket: self.socket.clone(), key: self.key.clone(), connection: None }
    }

    /// Asks a model, on a connection of its own; dropping the future takes the question back.
    ///
    /// # Errors
    /// [`ClientError`]; that no model answers is an answer.
    pub async fn model(&self, question: &ModelRequest) -> Result<ModelAnswer, ClientError> {
        let mut connection = connect(&self.socket).await?;
        let request = self.request(Method::POST, path::MODEL, serde_json::to_vec(question)?)?;
        let answer = accepted(path::MODEL, send(&mut connection, request).await?).await?;
        Ok(serde_json::from_slice(&collect(answer).await?)?)
    }

    /// What opens connections with the key this client has now.
    #[must_use]
    pub fn tunnels(&self) -> Tunnels {
        Tunnels::new(self.socket.clone(), self.key.clone())
    }

    async fn post<A: serde::de::DeserializeOwned>(
        &mut self,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<A, ClientError> {
        let request = self.request(Method::POST, path, body)?;
        // Taken out, so that a broken connection is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.sender.is_closed() => connection,
            _ => connect(&self.socket).await?,
        };
        let answer = accepted(path, send(&mut connection, request).await?).await?;
        let body = collect(answer).await?;
        self.connection = Some(connection);
        Ok(serde_json::from_slice(&body)?)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "gateway")
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        request.body(Full::new(body.into())).map_err(|e| ClientError::Transport(e.into()))
    }
}

/// The stream of control messages.
#[derive(Debug)]
pub struct Controls {
    body: Incoming,
    buffer: BytesMut,
    _connection: Connection,
}

impl Controls {
    /// The next message; `None` when the stream ended, and the caller should open a new one.
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn next(&mut self) -> Result<Option<Control>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|e| ClientError::Transport(e.into()))?;
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

async fn connect(socket: &Path) -> Result<Connection, ClientError> {
    let failed = |source| ClientError::Connect { socket: socket.into(), source };
    let stream = UnixStream::connect(socket).await.map_err(failed)?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|e| ClientError::Transport(e.into()))?;
    // An error of the connection also reaches the call that waits on it.
    let driver = tokio::spawn(async move { drop(connection.with_upgrades().await) });
    Ok(Connection { sender, driver })
}

async fn send(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    let failed = |e: hyper::Error| ClientError::Transport(e.into());
    connection.sender.ready().await.map_err(failed)?;
    connection.sender.send_request(request).await.map_err(failed)
}

async fn accepted(
    path: &'static str,
    answer: Response<Incoming>,
) -> Result<Response<Incoming>, ClientError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let message = String::from_utf8_lossy(&collect(answer).await?).into_owned();
    Err(ClientError::Refused { path, status, message })
}

async fn collect(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
    Ok(body.collect().await.map_err(ClientError::Transport)?.to_bytes())
}
