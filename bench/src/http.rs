//! A client of the API as a script would write one: calls on a connection that is kept, and a job's
//! live events. Nothing of it waits longer than [`PATIENCE`].

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, SET_COOKIE};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{PATIENCE, Server};
use tokio::net::TcpStream;
use tokio::time::timeout;
use types::{Event, EventKind, JobId, JobStatus};

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Http {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

/// A job's events as they come.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    unread: Vec<u8>,
    /// Held, or the connection is closed.
    _connection: Http,
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Scheduled {
    job_id: JobId,
}

/// Where a server listens.
pub(crate) fn address(server: &Server) -> anyhow::Result<SocketAddr> {
    let address = server.url().strip_prefix("http://").context("an http URL")?;
    address.parse().with_context(|| format!("the address {address}"))
}

impl Http {
    pub(crate) async fn connect(server: &Server) -> anyhow::Result<Self> {
        let address = address(server)?;
        Self::to(address, address.to_string()).await
    }

    /// A connection to whom asks for this host.
    pub(crate) async fn to(address: SocketAddr, host: String) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect to the server")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { host, sender })
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        whole(self.send(Method::GET, path, None).await?).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Option<&Value>) -> anyhow::Result<Bytes> {
        whole(self.send(Method::POST, path, body).await?).await
    }

    /// The cookie that a page gives, as it is to be sent.
    pub(crate) async fn cookie(&mut self, path: &str) -> anyhow::Result<String> {
        let answer = self.send(Method::GET, path, None).await?;
        let cookie = answer.headers().get(SET_COOKIE).context("a cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        whole(answer).await?;
        Ok(cookie)
    }

    /// Gives a job that is a runbook.
    pub(crate) async fn run(&mut self, runbook: &str) -> anyhow::Result<JobId> {
        self.schedule(&json!({ "prompt": runbook, "mode": "runbook" })).await
    }

    /// Gives a job of any kind.
    pub(crate) async fn schedule(&mut self, body: &Value) -> anyhow::Result<JobId> {
        let answer = self.post("/schedule", Some(body)).await?;
        Ok(serde_json::from_slice::<Scheduled>(&answer)?.job_id)
    }

    /// A job's events after this one.
    pub(crate) async fn events(mut self, job: JobId, after: u64) -> anyhow::Result<Events> {
        let path = format!("/v1/jobs/{job}/events?after={after}");
        let body = self.send(Method::GET, &path, None).await?.into_body();
        Ok(Events { body, unread: vec![], _connection: self })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        let mut bytes = Bytes::new();
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json");
            bytes = serde_json::to_vec(body)?.into();
        }
        let answer = self.sender.send_request(request.body(Full::new(bytes))?);
        let answer =
            timeout(PATIENCE, answer).await.with_context(|| format!("wait for {path}"))??;
        if !answer.status().is_success() {
            let status = answer.status();
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&whole(answer).await?));
        }
        Ok(answer)
    }
}

impl Events {
    /// Waits for the first event of this kind.
    pub(crate) async fn until(
        &mut self,
        wanted: impl Fn(&EventKind) -> bool,
    ) -> anyhow::Result<Event> {
        loop {
            let event = self.next().await?.context("the job ended before")?;
            if wanted(&event.event) {
                return Ok(event);
            }
        }
    }

    /// Waits for the job's end.
    ///
    /// # Errors
    /// When it is not complete.
    pub(crate) async fn complete(&mut self) -> anyhow::Result<()> {
        complete(&self.until(is_end).await?.event)
    }

    /// The next event, or `None` after the last.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data: ") {
                    return Ok(Some(serde_json::from_slice(data)?));
                }
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.context("wait for an event")?;
            let Some(frame) = frame.transpose()? else { return Ok(None) };
            self.unread.extend(frame.into_data().unwrap_or_default());
        }
    }
}

/// What a job wrote, by an event.
pub(crate) fn output(event: &EventKind) -> Option<&str> {
    match event {
        EventKind::Output { text, .. } => text.as_deref(),
        _ => None,
    }
}

/// Whether a job is over, by an event.
pub(crate) fn is_end(event: &EventKind) -> bool {
    matches!(event, EventKind::Ended { .. })
}

/// # Errors
/// When this is another end of a job than it should have.
pub(crate) fn complete(end: &EventKind) -> anyhow::Result<()> {
    match end {
        EventKind::Ended { ending } if ending.status == JobStatus::Complete => Ok(()),
        other => bail!("the job is not complete: {other:?}"),
    }
}

async fn whole(answer: Response<Incoming>) -> anyhow::Result<Bytes> {
    let body = timeout(PATIENCE, answer.into_body().collect()).await.context("wait for a body")?;
    Ok(body?.to_bytes())
}
