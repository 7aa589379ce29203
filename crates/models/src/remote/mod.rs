//! One call over HTTP: one question, one streamed answer, everything bounded.
//!
//! * No redirect is followed: the key goes where the operator said and nowhere else.
//! * `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count as in curl, but loopback is never
//!   reached through a proxy.
//! * What a provider says is read without our key before anybody sees it, and no URL is in any error:
//!   some have a key in their path.
//!
//! Not here: what the bytes mean ([`crate::dialect`]), trying again ([`crate::chain`]).

mod frames;

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Response, Url, redirect};
use tokio::time::{Instant, timeout, timeout_at};
use types::ModelRequest;

use crate::dialect::{Dialect, Failure, Framing, Question, Reader, Reply};
use crate::{ModelError, Provider, ToolMode, redact, text};
use frames::Frames;

/// How long a name's look-up, the connection and TLS may take together.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one answer may take, however busy it looks: pings are no answer.
const ANSWER: Duration = Duration::from_secs(30 * 60);

/// What is read of a refusal, in bytes.
const REFUSAL_BYTES: usize = 64 * 1024;

/// What an answer may have beside its tokens, in bytes; thoughts may not be counted among those.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What one token may take on the wire: its frame repeats the model's name, ids and more; about 400
/// bytes in the longest dialect.
const TOKEN_BYTES: usize = 1024;

/// Makes `ring` the process's cryptography. To be called before any `reqwest` client is made, also one
/// that never speaks TLS: in a program that has this crate in it, reqwest panics without.
pub fn install_tls() {
    // Whoever was first installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for the operator's services, providers and others; its connections are shared and kept.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> Result<Client, ModelError> {
    install_tls();
    let set = |name: &str| {
        let value = std::env::var(name.to_ascii_lowercase()).or_else(|_| std::env::var(name));
        value.ok().filter(|value| !value.is_empty())
    };
    let built = builder(set).build().or_else(|error| {
        tracing::warn!(%error, "no certificates of this machine: only http:// can be asked");
        builder(set).tls_certs_only([]).build()
    });
    built.map_err(|error| ModelError::Unreachable(words(error)))
}

/// Asks once.
///
/// # Errors
/// Says why there is no whole answer.
pub(crate) async fn ask(
    client: &Client,
    dialect: &dyn Dialect,
    provider: &Provider,
    request: &ModelRequest,
) -> Result<Reply, Failure> {
    let answer = match provider.tools {
        ToolMode::Native => exchange(client, dialect, provider, request).await,
        ToolMode::Text => exchange(client, dialect, provider, &text::worded(request)).await,
    };
    Ok(text::understood(provider.tools, request, answer?))
}

async fn exchange(
    client: &Client,
    dialect: &dyn Dialect,
    provider: &Provider,
    request: &ModelRequest,
) -> Result<Reply, Failure> {
    let response = send(client, provider, dialect.question(provider, request)).await?;
    let status = response.status().as_u16();
    if !response.status().is_success() {
        let headers = response.headers().clone();
        let body = redact::error(provider, &beginning(response, provider.silence).await);
        return Err(refused(dialect, status, &headers, &body).into());
    }
    let framing = framing(dialect, response.headers())?;
    let most = ANSWER_BYTES + TOKEN_BYTES * request.max_output_tokens as usize;
    let mut frames = Frames::new(response, framing, provider.silence, most);
    let mut reader = dialect.reader(provider, request);
    let late = |_| Err(ModelError::BrokenOff(format!("it took more than {ANSWER:?}")));
    let reading = read(&mut frames, &mut *reader, provider);
    let read = timeout(ANSWER, reading).await.unwrap_or_else(late);
    let spent = reader.spent();
    read.and_then(|()| reader.end()).map_err(|error| Failure { error, spent })
}

async fn read(
    frames: &mut Frames,
    reader: &mut dyn Reader,
    provider: &Provider,
) -> Result<(), ModelError> {
    while let Some(frame) = frames.next().await? {
        if reader.frame(&frame.event, &redact::answer(provider, &frame.data))? {
            break;
        }
    }
    Ok(())
}

async fn send(
    client: &Client,
    provider: &Provider,
    question: Question,
) -> Result<Response, ModelError> {
    let url = below(&provider.base_url, &question.path);
    let sending = client.post(url).headers(question.headers).json(&question.body).send();
    match timeout(provider.silence, sending).await {
        Ok(sent) => sent.map_err(|error| ModelError::Unreachable(words(error))),
        Err(_) => Err(ModelError::Unreachable(silent(provider.silence))),
    }
}

/// A path, perhaps with a query, below a base URL that may have both.
fn below(base: &Url, path: &str) -> Url {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut url = base.clone();
    url.set_path(&format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        path.trim_start_matches('/')
    ));
    let queries = [base.query().unwrap_or(""), query];
    let queries: Vec<_> = queries.into_iter().filter(|query| !query.is_empty()).collect();
    url.set_query(Some(queries.join("&")).filter(|query| !query.is_empty()).as_deref());
    url
}

fn refused(dialect: &dyn Dialect, status: u16, headers: &HeaderMap, body: &str) -> ModelError {
    match status {
        300..400 => ModelError::NotFound(format!(
            "HTTP {status}: it redirects, which is not followed; set the base URL to where it leads"
        )),
        _ => dialect.refusal(status, headers, body),
    }
}

/// Some servers stream for nobody and answer with one document.
fn framing(dialect: &dyn Dialect, headers: &HeaderMap) -> Result<Option<Framing>, ModelError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match dialect.framing() {
        _ if kind.starts_with("text/html") => Err(ModelError::NotFound(
            "it answered with a web page; look whether the base URL is complete".into(),
        )),
        Framing::Sse if kind.starts_with("application/json") => Ok(None),
        framing => Ok(Some(framing)),
    }
}

/// As much of a refusal as is worth reading and comes in time.
async fn beginning(mut response: Response, patience: Duration) -> String {
    let end = Instant::now() + patience;
    let mut body = vec![];
    while let Ok(Ok(Some(bytes))) = timeout_at(end, response.chunk()).await {
        body.extend_from_slice(&bytes);
        if body.len() >= REFUSAL_BYTES {
            break;
        }
    }
    body.truncate(REFUSAL_BYTES);
    String::from_utf8_lossy(&body).into_owned()
}

/// `set` looks up a variable of the environment.
fn builder(set: impl Fn(&str) -> Option<String>) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("containerized-agent/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .no_proxy();
    proxies(set).into_iter().fold(builder, ClientBuilder::proxy)
}

/// Not left to reqwest, which asks proxies for loopback too.
fn proxies(set: impl Fn(&str) -> Option<String>) -> Vec<Proxy> {
    let direct = format!("{},localhost,127.0.0.0/8,::1", set("NO_PROXY").unwrap_or_default());
    let https = set("HTTPS_PROXY").or_else(|| set("ALL_PROXY")).map(Proxy::https);
    let http = set("HTTP_PROXY").or_else(|| set("ALL_PROXY")).map(Proxy::http);
    let proxies = [https, http].into_iter().flatten().filter_map(Result::ok);
    proxies.map(|proxy| proxy.no_proxy(NoProxy::from_string(&direct))).collect()
}

fn silent(silence: Duration) -> String {
    format!("it said nothing for {} seconds", silence.as_secs_f32())
}

/// What went wrong, with its causes and without the URL.
#[must_use]
pub fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(why) = cause {
        words = format!("{words}: {why}");
        cause = why.source();
    }
    words
}

#[cfg(test)]
mod tests;
