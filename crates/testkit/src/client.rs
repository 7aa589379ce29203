use api::{Cancelled, Job, JobList, Scheduled, Status};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use types::{Event, JobId, Stream};

use crate::PATIENCE;

/// Calls a server as a test would. Every method panics on what a test does not expect, with what
/// the server said; [`Client::get`] and [`Client::post`] are for what is to be refused.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    key: Option<String>,
}

impl Client {
    /// A client of the server at `http://ADDRESS:PORT`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.into(), http: http_client(), key: None }
    }

    /// With this key, for a server that needs one.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sends a GET, as it is.
    pub async fn get(&self, path: &str) -> Response {
        self.sent(self.http.get(self.url(path))).await
    }

    /// Sends a POST with a JSON body, as it is.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.sent(self.http.post(self.url(path)).json(body)).await
    }

    /// Gives a job: the body of `POST /schedule`.
    pub async fn schedule(&self, body: &Value) -> JobId {
        let scheduled: Scheduled = answer(self.post("/schedule", body).await).await;
        scheduled.job_id
    }

    /// Gives a job that is a runbook.
    pub async fn run(&self, runbook: &str) -> JobId {
        self.schedule(&json!({ "prompt": runbook, "mode": "runbook" })).await
    }

    /// `GET /job/{id}`.
    pub async fn job(&self, job: JobId) -> Job {
        answer(self.get(&format!("/job/{job}")).await).await
    }

    /// `GET /status/{id}`.
    pub async fn status(&self, job: JobId) -> Status {
        answer(self.get(&format!("/status/{job}")).await).await
    }

    /// `GET /jobs`.
    pub async fn jobs(&self) -> JobList {
        answer(self.get("/jobs").await).await
    }

    /// `POST /cancel/{id}`.
    pub async fn cancel(&self, job: JobId) -> Cancelled {
        answer(self.sent(self.http.post(self.url(&format!("/cancel/{job}")))).await).await
    }

    /// `POST /v1/jobs/{id}/resume`: the job that goes on.
    pub async fn resume(&self, job: JobId) -> JobId {
        let request = self.http.post(self.url(&format!("/v1/jobs/{job}/resume")));
        answer::<Scheduled>(self.sent(request).await).await.job_id
    }

    /// The whole of one of a job's logs.
    pub async fn log(&self, job: JobId, stream: Stream) -> Vec<u8> {
        body(self.get(&format!("/logs/{job}/{}", stream.as_str())).await).await
    }

    /// The job's ZIP.
    pub async fn download(&self, job: JobId) -> Vec<u8> {
        body(self.get(&format!("/download/{job}")).await).await
    }

    /// Follows a job's live events until one is wanted, which it returns with all before it.
    ///
    /// # Panics
    /// If the job ends before, or nothing of the kind happens in [`PATIENCE`].
    pub async fn events_until(&self, job: JobId, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(PATIENCE, self.follow(job, &wanted, &mut seen)).await;
        let found = found.is_ok_and(|found| found);
        assert!(found, "what was waited for did not happen to job {job}: {seen:#?}");
        seen
    }

    /// Waits until a job is over.
    ///
    /// # Panics
    /// If it is not over in [`PATIENCE`].
    pub async fn wait_end(&self, job: JobId) -> Job {
        self.events_until(job, |event| matches!(event.event, types::EventKind::Ended { .. })).await;
        self.job(job).await
    }

    async fn follow(
        &self,
        job: JobId,
        wanted: &impl Fn(&Event) -> bool,
        seen: &mut Vec<Event>,
    ) -> bool {
        let mut response = self.get(&format!("/v1/jobs/{job}/events")).await;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.expect("a chunk of events") {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                let event: Event = serde_json::from_slice(data).expect("an event");
                let found = wanted(&event);
                seen.push(event);
                if found {
                    return true;
                }
            }
        }
        false
    }

    async fn sent(&self, request: RequestBuilder) -> Response {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        request.send().await.expect("the server answers")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// A client as tests need it: a proxy of the machine has no business between a test and its server.
///
/// # Panics
/// If there can be none.
#[must_use]
pub fn http_client() -> reqwest::Client {
    // `models` brings TLS into every program that it is built with, and it must be told whose.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("an HTTP client")
}

async fn body(response: Response) -> Vec<u8> {
    let (url, status) = (response.url().clone(), response.status());
    let body = response.bytes().await.expect("a whole body");
    assert!(status.is_success(), "{url}: {status}: {}", String::from_utf8_lossy(&body));
    body.into()
}

async fn answer<T: DeserializeOwned>(response: Response) -> T {
    let body = body(response).await;
    let parsed = serde_json::from_slice(&body);
    parsed.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&body)))
}
