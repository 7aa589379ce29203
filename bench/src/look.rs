//! A person who looks at a job's desktop, by the link that people get and as their browser does.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use hyper::Uri;
use hyper::header::{COOKIE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::Server;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use types::JobId;

use crate::http::{self, Http};
use crate::rfb::{Viewer, Way};

/// What is read of an answer.
#[derive(Deserialize)]
struct Ticket {
    url: String,
}

/// A job that says something and stays, until it is cancelled.
pub(crate) async fn begin(server: &Server, job: &Value) -> anyhow::Result<JobId> {
    let job = Http::connect(server).await?.schedule(job).await?;
    let events = Http::connect(server).await?.events(job, 0);
    events.await?.until(|event| http::output(event).is_some()).await?;
    Ok(job)
}

/// A job with this on its screen.
pub(crate) async fn show(server: &Server, command: &str) -> anyhow::Result<JobId> {
    let prompt = format!("```bash\n{command} &\necho ready; sleep 1000\n```\n");
    begin(server, &json!({ "prompt": prompt, "mode": "runbook", "desktop": true })).await
}

/// Cancels it and waits for its end.
pub(crate) async fn end(server: &Server, job: JobId) -> anyhow::Result<()> {
    Http::connect(server).await?.post(&format!("/cancel/{job}"), None).await?;
    Http::connect(server).await?.events(job, 0).await?.until(http::is_end).await?;
    Ok(())
}

/// A link to a job's desktop: `watch` or `control`.
pub(crate) async fn link(server: &Server, job: JobId, view: &str) -> anyhow::Result<Uri> {
    let path = format!("/v1/jobs/{job}/tickets");
    let answer = Http::connect(server).await?.post(&path, Some(&json!({ "view": view }))).await?;
    Ok(serde_json::from_slice::<Ticket>(&answer)?.url.parse()?)
}

/// Opens it: the page that takes the ticket, then the WebSocket.
pub(crate) async fn open(link: &Uri, view: &str) -> anyhow::Result<Viewer> {
    let host = link.authority().context("a host")?.as_str();
    let path = link.path_and_query().context("a path")?.as_str();
    // Names below `localhost` are this machine, but not every resolver knows.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, link.port_u16().context("a port")?));
    let cookie = Http::to(address, host.into()).await?.cookie(path).await?;
    let mut request = format!("ws://{host}/rfb/{view}").into_client_request()?;
    request.headers_mut().insert(COOKIE, HeaderValue::from_str(&cookie)?);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async(request, stream).await?;
    Viewer::new(Way::Web(Box::new(socket))).await
}
