//! A client that does not give up: what is not answered is asked again, of whatever server there is
//! by then.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use types::{Event, JobId};

/// How long a request may be unanswered before it is sent again.
const ANSWER: Duration = Duration::from_secs(20);

/// How long there may be no answer at all: longer than anything that is done to the server.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The API of a server that comes and goes.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) url: watch::Receiver<String>,
    pub(crate) http: Client,
}

/// What became of a request.
pub(crate) enum Answer<T> {
    Here(T),
    /// Nobody, or somebody who says to come again.
    Later(anyhow::Error),
}

impl Api {
    /// The body of an answer, sooner or later.
    ///
    /// # Errors
    /// When it is refused for good, or never answered.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        Ok(serde_json::from_slice(&self.bytes(path).await?)?)
    }

    pub(crate) async fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.patiently(Method::GET, path, None, None).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<T> {
        Ok(serde_json::from_slice(&self.patiently(Method::POST, path, body, key).await?)?)
    }

    /// Adds a job's events after the last one to those that are known, until the job ends or the
    /// stream breaks off. Whether it has ended.
    pub(crate) async fn follow(&self, job: JobId, seen: &mut Vec<Event>) -> anyhow::Result<bool> {
        let after = seen.last().map_or(0, |event| event.seq);
        let url = format!("{}/v1/jobs/{job}/events", self.url.borrow().clone());
        let request = self.http.get(url).header("Last-Event-ID", after);
        let response = request.send().await?.error_for_status()?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(true);
        }
        read_events(response, seen).await
    }

    async fn patiently(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let begun = Instant::now();
        loop {
            match self.once(method.clone(), path, body, key).await? {
                Answer::Here(bytes) => return Ok(bytes),
                Answer::Later(why) if begun.elapsed() > PATIENCE => {
                    return Err(why).with_context(|| format!("{path}: no answer for {PATIENCE:?}"));
                }
                Answer::Later(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Answer<Vec<u8>>> {
        let url = format!("{}{path}", self.url.borrow().clone());
        let mut request = self.http.request(method, url).timeout(ANSWER);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.bytes().await?))
        };
        match answered.await {
            Ok((status, bytes)) if status.is_success() => Ok(Answer::Here(bytes.into())),
            Ok((status, bytes)) => {
                let said = format!("{path}: {status}: {}", String::from_utf8_lossy(&bytes));
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                    return Ok(Answer::Later(anyhow::anyhow!(said)));
                }
                bail!(said)
            }
            Err(why) => Ok(Answer::Later(why.into())),
        }
    }
}

async fn read_events(mut response: Response, seen: &mut Vec<Event>) -> anyhow::Result<bool> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let event: Event = serde_json::from_slice(data)?;
            let ended = matches!(event.event, types::EventKind::Ended { .. });
            seen.push(event);
            if ended {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
