//! Jobs that serve something, and links to it.

use api::Ticket;
use serde_json::json;
use testkit::{PATIENCE, Server};
use types::{EventKind, JobId};

/// Serves one page on what it is told, and writes down what it was asked.
pub(crate) const SERVER: &str = include_str!("hostile/server.py");

/// A job that has said `ready`.
pub(crate) async fn ready(server: &Server, runbook: &str) -> JobId {
    let job = server.client().run(runbook).await;
    let said = |event: &types::Event| match &event.event {
        EventKind::Output { text: Some(text), .. } => text.contains("ready"),
        _ => false,
    };
    server.client().events_until(job, said).await;
    job
}

/// A job that serves on this port until it is cancelled.
pub(crate) async fn serves(server: &Server, port: u16) -> JobId {
    let runbook = format!(
        "# Serves\n\n```python file=server.py\n{SERVER}\n```\n\n```sh\npython3 server.py {port}\n```\n"
    );
    ready(server, &runbook).await
}

/// A link to what a job serves.
pub(crate) async fn preview(server: &Server, job: JobId, port: u16) -> String {
    ticket(server, job, &json!({ "view": "preview", "port": port })).await
}

/// A link to its Jupyter Lab.
pub(crate) async fn jupyter(server: &Server, job: JobId) -> String {
    ticket(server, job, &json!({ "view": "jupyter" })).await
}

async fn ticket(server: &Server, job: JobId, wanted: &serde_json::Value) -> String {
    let answer = server.client().post(&format!("/v1/jobs/{job}/tickets"), wanted).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    answer.json::<Ticket>().await.unwrap().url
}

/// Where a link leads, without what is for one use.
pub(crate) fn origin(link: &str) -> &str {
    link.split("/.cagent/").next().unwrap()
}

/// Puts a file into a job's workspace.
pub(crate) async fn put(server: &Server, job: JobId, name: &str, content: &str) {
    let url = format!("{}/v1/jobs/{job}/files/{name}", server.url());
    let put = testkit::http_client().put(url).body(content.to_owned()).send();
    let answer = tokio::time::timeout(PATIENCE, put).await.unwrap().unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}
