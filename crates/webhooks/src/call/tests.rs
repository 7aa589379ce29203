use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Heard = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A webhook that answers with this status, and where it is.
async fn receiver(status: u16) -> (Url, Heard) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?key=k3y", listener.local_addr().unwrap()).parse().unwrap();
    let hear = |heard: Heard| {
        async move |headers: HeaderMap, body: String| {
            heard.lock().unwrap().push((headers, body));
            (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")], "an answer")
        }
    };
    let router = Router::new()
        .route("/hook", post(hear(heard.clone())))
        .route("/elsewhere", post(hear(heard.clone())).get(hear(heard.clone())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

fn message() -> Message {
    let job = json!({
        "id": "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f", "title": "töst \"it\"", "status": "error",
        "created": "2026-01-01T00:00:00Z", "started": "2026-01-01T00:00:01Z",
        "completed": "2026-01-01T00:00:02Z", "waiting": null,
        "ending": { "status": "error", "reason": "step_failed", "exit_code": 3, "error": "no" },
    });
    let at = "2026-01-01T00:00:02Z".parse().unwrap();
    let job = serde_json::from_value(job).unwrap();
    Message { id: 1, seq: 9, at, kind: "job.ended".into(), job, tries: 0, due: at }
}

async fn tell(url: Url) -> Answer {
    let hook = Hook::new(url, Secret::parse(SECRET).unwrap());
    hook.tell(&models::client().unwrap(), &message(), Timestamp::now()).await
}

#[tokio::test]
async fn a_message_is_what_the_convention_wants() {
    let (url, heard) = receiver(204).await;
    assert_eq!(tell(url).await, Answer::Taken);
    let (headers, body) = heard.lock().unwrap().pop().unwrap();
    Webhook::new(SECRET).unwrap().verify(body.as_bytes(), &headers).unwrap();
    let forged = body.replace("no", "yes");
    Webhook::new(SECRET).unwrap().verify(forged.as_bytes(), &headers).unwrap_err();
    assert_eq!(headers["webhook-id"], "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f-9");
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "job.ended",
            "timestamp": "2026-01-01T00:00:02Z",
            "data": {
                "job_id": "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f", "title": "töst \"it\"",
                "status": "error", "reason": "step_failed", "error": "no", "waiting": null,
                "created": "2026-01-01T00:00:00Z", "started": "2026-01-01T00:00:01Z",
                "completed": "2026-01-01T00:00:02Z",
            },
        })
    );
}

#[tokio::test]
async fn only_what_was_taken_is_taken_and_no_redirect_is_followed() {
    for (status, answer) in [
        (200, Answer::Taken),
        (410, Answer::Gone),
        (307, Answer::Failed("HTTP 307: it redirects, which is not followed".into())),
        (404, Answer::Failed("HTTP 404".into())),
        (429, Answer::Failed("HTTP 429".into())),
        (500, Answer::Failed("HTTP 500".into())),
    ] {
        let (url, heard) = receiver(status).await;
        assert_eq!(tell(url).await, answer);
        assert_eq!(heard.lock().unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn who_is_not_there_or_does_not_answer_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let url: Url = format!("http://{address}/h00k").parse().unwrap();
    // Whenever everybody waits, time passes.
    tokio::time::pause();
    for there in [Some(silent), None] {
        let Answer::Failed(why) = tell(url.clone()).await else { panic!("it was told") };
        assert!(!why.contains("h00k") && !why.is_empty(), "{why}");
        drop(there);
    }
}
