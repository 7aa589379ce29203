//! The calls of the API that commands make.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use api::{
    Cancelled, FileList, Health, Job, JobList, KeyList, Logs, MadeKey, Problem, Readiness,
    Scheduled, Ticket,
};
use jobs::shell::{Start, Terminal};
use jobs::{InvalidPath, WorkspacePath};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_DISPOSITION, HeaderName, HeaderValue, UPGRADE,
};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, Response, StatusCode, Upgraded, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::fs::File;
use types::{JobId, JobStatus, Stream};

use crate::complaint;
use crate::input::Input;
use crate::key::Key;
use crate::sse::EventStream;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a server that works may take for a health answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A server to talk to.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: Url,
    http: reqwest::Client,
    key: Key,
}

impl Client {
    pub(crate) fn new(base: Url) -> anyhow::Result<Self> {
        models::install_tls();
        // It speaks plain HTTP only, and a machine may have no certificates.
        let http = reqwest::Client::builder()
            .tls_certs_only([])
            .connect_timeout(CONNECT_PATIENCE)
            .no_proxy()
            .build();
        Ok(Self { base, http: http.context("set up the HTTP client")?, key: Key::default() })
    }

    /// Shows this key with every call.
    pub(crate) fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// Whether there is a server of our kind, which it tells everybody.
    pub(crate) async fn is_healthy(&self) -> bool {
        let request = self.get("").header(ACCEPT, "application/json").timeout(HEALTH_PATIENCE);
        let Ok(response) = request.send().await else { return false };
        response.json::<Health>().await.is_ok_and(|health| health.name == "cagent")
    }

    /// Whether the server can do its work, thing by thing, as far as it tells us.
    pub(crate) async fn readiness(&self) -> anyhow::Result<Readiness> {
        let response = self.answer(self.get("readyz").timeout(HEALTH_PATIENCE)).await?;
        response.json().await.context("read what the server says of itself")
    }

    /// Gives a job: the body of `POST /schedule`, and files for its workspace.
    pub(crate) async fn schedule(
        &self,
        body: &Value,
        files: &[Input],
        key: Option<&str>,
    ) -> anyhow::Result<Scheduled> {
        let mut request = self.http.post(self.url("schedule"));
        if let Some(key) = key {
            let key = HeaderValue::from_str(key).context("the idempotency key: expected ASCII")?;
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if files.is_empty() {
            return self.json(request.json(body)).await;
        }
        let before: Vec<_> = files.iter().map(Input::state).collect();
        let scheduled = self.json(request.multipart(form(body, files).await?)).await;
        // Its length is told first, so that neither more nor less of it makes sense.
        let changed = || files.iter().zip(before).find(|(file, was)| file.state() != *was);
        match scheduled {
            Err(error) if !error.is::<NoServer>() => match changed() {
                Some((file, _)) => bail!("{} changed while it was read", file.local.display()),
                None => Err(error),
            },
            scheduled => scheduled,
        }
    }

    pub(crate) async fn jobs(&self) -> anyhow::Result<JobList> {
        self.jobs_in(&[], None).await
    }

    /// The newest of the jobs that are in one of these statuses, or in any.
    pub(crate) async fn jobs_in(
        &self,
        statuses: &[JobStatus],
        limit: Option<NonZeroU32>,
    ) -> anyhow::Result<JobList> {
        let status = statuses.iter().map(|status| ("status", status.to_string()));
        let limit = limit.map(|limit| ("limit", limit.to_string()));
        let mut url: Url = self.url("jobs").parse().context("the address of the list")?;
        url.query_pairs_mut().extend_pairs(status.chain(limit));
        self.json(self.http.get(url)).await
    }

    pub(crate) async fn job(&self, job: JobId) -> anyhow::Result<Job> {
        self.json(self.get(&format!("job/{job}"))).await
    }

    /// Returns when a job is over, or after so many seconds.
    pub(crate) async fn wait(&self, job: JobId, seconds: u64) -> anyhow::Result<()> {
        self.send(self.get(&format!("status/{job}?wait={seconds}"))).await.map(drop)
    }

    pub(crate) async fn cancel(&self, job: JobId) -> anyhow::Result<Cancelled> {
        self.json(self.http.post(self.url(&format!("cancel/{job}")))).await
    }

    /// Has a new job go on after one that broke off.
    pub(crate) async fn resume(&self, job: JobId) -> anyhow::Result<Scheduled> {
        self.json(self.http.post(self.url(&format!("v1/jobs/{job}/resume")))).await
    }

    /// Says something to a job's agent.
    pub(crate) async fn say(&self, job: JobId, text: &str) -> anyhow::Result<()> {
        let request = self.http.post(self.url(&format!("v1/jobs/{job}/messages")));
        self.send(request.json(&json!({ "text": text }))).await.map(drop)
    }

    /// Decides about a step that a job waits with; `Some` is why not.
    pub(crate) async fn decide(
        &self,
        job: JobId,
        step: u32,
        reject: Option<&str>,
    ) -> anyhow::Result<()> {
        let body = json!({ "step": step, "approve": reject.is_none(), "reason": reject });
        let request = self.http.post(self.url(&format!("v1/jobs/{job}/approval")));
        self.send(request.json(&body)).await.map(drop)
    }

    /// The end of a log.
    pub(crate) async fn logs(&self, job: JobId, stream: Stream) -> anyhow::Result<Logs> {
        self.json(self.get(&format!("logs/{job}?log_type={}", stream.as_str()))).await
    }

    /// A whole log, as a body to be read.
    pub(crate) async fn log_file(&self, job: JobId, stream: Stream) -> anyhow::Result<Response> {
        self.send(self.get(&format!("logs/{job}/{}", stream.as_str()))).await
    }

    /// The ZIP, as a body to be read.
    pub(crate) async fn zip(&self, job: JobId) -> anyhow::Result<Response> {
        self.send(self.get(&format!("download/{job}"))).await
    }

    /// Forgets a job that is over.
    pub(crate) async fn delete(&self, job: JobId) -> anyhow::Result<()> {
        let request = self.http.delete(self.url(&format!("v1/jobs/{job}")));
        self.send(request).await.map(drop)
    }

    /// Makes a key: the body of `POST /v1/keys`.
    pub(crate) async fn make_key(&self, body: &Value) -> anyhow::Result<MadeKey> {
        self.json(self.http.post(self.url("v1/keys")).json(body)).await
    }

    pub(crate) async fn keys(&self) -> anyhow::Result<KeyList> {
        self.json(self.get("v1/keys")).await
    }

    pub(crate) async fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        self.send(self.http.delete(self.url(&format!("v1/keys/{id}")))).await.map(drop)
    }

    /// What is in a directory of a job's workspace.
    pub(crate) async fn files(&self, job: JobId, dir: &str) -> anyhow::Result<FileList> {
        // With its slash or without.
        let path = dir.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(dir);
        let names = if dir.is_empty() { vec![] } else { names(path)? };
        self.json(self.http.get(self.file_url(job, names.into_iter().chain([""]))?)).await
    }

    /// A file of a job's workspace, as a body to be read.
    pub(crate) async fn file(&self, job: JobId, path: &str) -> anyhow::Result<Response> {
        let body = self.send(self.http.get(self.file_url(job, names(path)?)?)).await?;
        // A list is JSON, as a file may be, but only a file is there to be saved.
        let is_file = body.headers().contains_key(CONTENT_DISPOSITION);
        ensure!(is_file, "{path} is a directory; files are copied one by one");
        Ok(body)
    }

    /// Puts a file into a job's workspace.
    pub(crate) async fn put_file(&self, job: JobId, path: &str, file: File) -> anyhow::Result<()> {
        let url = self.file_url(job, names(path)?)?;
        self.send(self.http.put(url).body(file)).await.map(drop)
    }

    /// Names of files may hold anything.
    fn file_url<'a>(
        &self,
        job: JobId,
        names: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<Url> {
        let mut url: Url = self.url(&format!("v1/jobs/{job}/files")).parse()?;
        let Ok(mut parts) = url.path_segments_mut() else { bail!("{} has no paths", self.base) };
        parts.extend(names);
        drop(parts);
        Ok(url)
    }

    /// The events after this `seq`; none if the job is over and there are no more.
    pub(crate) async fn events(
        &self,
        job: JobId,
        after: u64,
    ) -> anyhow::Result<Option<EventStream>> {
        let request = self.get(&format!("v1/jobs/{job}/events")).header(LAST_EVENT_ID, after);
        let response = self.send(request).await?;
        let over = response.status() == StatusCode::NO_CONTENT;
        Ok((!over).then(|| EventStream::new(response)))
    }

    /// What rings whenever the list of jobs has changed.
    pub(crate) async fn bell(&self) -> anyhow::Result<Response> {
        self.send(self.get("v1/events?list=true")).await
    }

    /// A link into a job.
    pub(crate) async fn ticket(
        &self,
        job: JobId,
        view: &str,
        port: Option<NonZeroU16>,
    ) -> anyhow::Result<Ticket> {
        let request = self.http.post(self.url(&format!("v1/jobs/{job}/tickets")));
        self.json(request.json(&json!({ "view": view, "port": port }))).await
    }

    /// A connection to a job's desktop, by RFB.
    pub(crate) async fn rfb(&self, job: JobId, view: &str) -> anyhow::Result<Upgraded> {
        let request = self.get(&format!("v1/jobs/{job}/rfb?view={view}"));
        let request = request.header(CONNECTION, "upgrade").header(UPGRADE, "rfb");
        let response = self.send(request).await?;
        response.upgrade().await.context("connect to the desktop")
    }

    /// A connection to a program in a job's sandbox, which is started for that.
    pub(crate) async fn shell(&self, job: JobId, start: &Start) -> anyhow::Result<Upgraded> {
        let mut url: Url = self.url(&format!("v1/jobs/{job}/shell")).parse()?;
        url.query_pairs_mut().extend_pairs(start.command.iter().map(|word| ("command", word)));
        if let Some(Terminal { kind, size }) = &start.terminal {
            let (rows, cols) = (size.rows.to_string(), size.cols.to_string());
            let words = [("tty", "true"), ("rows", &rows), ("cols", &cols), ("term", kind)];
            url.query_pairs_mut().extend_pairs(words);
        }
        let request = self.http.get(url);
        let request = request.header(CONNECTION, "upgrade").header(UPGRADE, api::SHELL_PROTOCOL);
        let response = self.send(request).await?;
        response.upgrade().await.context("connect to the sandbox")
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    /// Paths are our own and ids checked, so that nothing has to be escaped.
    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base.as_str().trim_end_matches('/'))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        let url = response.url().clone();
        response
            .json()
            .await
            .with_context(|| format!("{url} gave an answer that is none of cagent"))
    }

    /// Sends a request; a refusal becomes an error that says what the server said.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = self.answer(request).await?;
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(problem) => Err(Refused(problem).into()),
            Err(_) => bail!("the server {} answered {status}; is it a cagent?", self.base),
        }
    }

    /// Sends a request, once more if it was refused with a key that meanwhile is another: so it is
    /// when the server was started anew.
    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let (again, key) = (request.try_clone(), self.key.header());
        let response = self.answer_to(request, key.clone()).await?;
        let newer = self.key.header();
        match again {
            Some(again) if response.status() == StatusCode::UNAUTHORIZED && newer != key => {
                self.answer_to(again, newer).await
            }
            _ => Ok(response),
        }
    }

    async fn answer_to(
        &self,
        request: RequestBuilder,
        key: Option<HeaderValue>,
    ) -> anyhow::Result<Response> {
        let headers = key.into_iter().map(|key| (AUTHORIZATION, key)).collect();
        request.headers(headers).send().await.map_err(|e| self.no_answer(e))
    }

    /// Who cannot connect needs to know what to do, not in which layer it failed.
    fn no_answer(&self, error: reqwest::Error) -> anyhow::Error {
        let base = self.base.as_str().trim_end_matches('/');
        if error.is_connect() {
            return NoServer(base.into()).into();
        }
        anyhow::Error::new(error).context(format!("the server {base} gave no answer"))
    }
}

/// The names in a path. What is none is refused here: a URL would lose its `..` without a word, and
/// mean another file.
fn names(path: &str) -> Result<Vec<&str>, InvalidPath> {
    path.parse::<WorkspacePath>()?;
    Ok(path.split('/').collect())
}

async fn form(body: &Value, files: &[Input]) -> anyhow::Result<Form> {
    let job = Part::text(body.to_string()).mime_str("application/json")?;
    let mut form = Form::new().percent_encode_noop().part("job", job);
    for Input { local, inside } in files {
        let part = Part::file(local).await.with_context(|| format!("read {}", local.display()))?;
        form = form.part("file", part.file_name(inside.clone()));
    }
    Ok(form)
}

/// Nobody listens there.
#[derive(Debug)]
struct NoServer(String);

impl std::error::Error for NoServer {}

impl std::fmt::Display for NoServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no server answers at {}; start one with `cagent serve`", self.0)
    }
}

/// The server understood and said no.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Problem);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&complaint::of_problem(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, sink};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_is_named() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", server.local_addr().unwrap()).parse().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        // More than the buffers of a connection hold.
        file.as_file().set_len(256 << 20).unwrap();
        let input: Input = file.path().to_str().unwrap().parse().unwrap();
        let inputs = [input];
        let client = Client::new(base).unwrap();
        let (body, truncated) = (Value::Null, file.as_file());
        let served = async {
            let (mut connection, _) = server.accept().await.unwrap();
            connection.read_exact(&mut [0; 1024]).await.unwrap();
            truncated.set_len(1).unwrap();
            drop(tokio::io::copy(&mut connection, &mut sink()).await);
        };
        let (scheduled, ()) = tokio::join!(client.schedule(&body, &inputs, None), served);
        let error = scheduled.unwrap_err().to_string();
        assert_eq!(error, format!("{} changed while it was read", file.path().display()));
    }
}
