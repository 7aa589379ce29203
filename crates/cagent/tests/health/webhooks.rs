//! What happens to jobs is told: signed, in order, at least once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use testkit::{Builder, PATIENCE};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use types::JobId;

use crate::support::{CAGENT, Numbers};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A webhook that verifies what it hears.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    /// What it answers with.
    status: u16,
    /// Ids and bodies of what it took, and of what it did not.
    taken: Vec<(String, Value)>,
    refused: Vec<(String, Value)>,
}

impl Receiver {
    /// One that answers so, and a server that tells it.
    async fn start(status: u16) -> (Self, Builder) {
        let this = Self::default();
        this.answer(status);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let hears = this.clone();
        let hear = async move |headers: HeaderMap, body: String| hears.hear(&headers, &body);
        let router = Router::new().route("/", post(hear));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let server = Builder::new(CAGENT).env("CAGENT_WEBHOOK_URL", url);
        (this, server.env("CAGENT_WEBHOOK_SECRET", SECRET))
    }

    fn answer(&self, status: u16) {
        self.0.lock().unwrap().status = status;
    }

    fn hear(&self, headers: &HeaderMap, body: &str) -> StatusCode {
        let known = Webhook::new(SECRET).unwrap().verify(body.as_bytes(), headers);
        let mut heard = self.0.lock().unwrap();
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let message = (id, serde_json::from_str(body).unwrap());
        match (known, heard.status) {
            (Err(e), _) => panic!("{e}: {message:?}"),
            (Ok(()), 200) => heard.taken.push(message),
            (Ok(()), _) => heard.refused.push(message),
        }
        StatusCode::from_u16(heard.status).unwrap()
    }

    /// What it took, once it is so much.
    async fn took(&self, count: usize) -> Vec<(String, Value)> {
        let enough = async {
            loop {
                let taken = self.0.lock().unwrap().taken.clone();
                if taken.len() >= count {
                    return taken;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let taken = timeout(PATIENCE, enough).await;
        taken.unwrap_or_else(|_| panic!("only {:?}", self.0.lock().unwrap().taken))
    }

    fn refused(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().refused.clone()
    }
}

fn kinds(heard: &[(String, Value)], job: JobId) -> Vec<&str> {
    let of_job = heard.iter().filter(|(_, body)| body["data"]["job_id"] == job.to_string());
    of_job.map(|(_, body)| body["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_listens_hears_of_a_job_as_it_goes_on() {
    let (receiver, server) = Receiver::start(200).await;
    let server = server.start().await;
    let client = server.client();
    let prompt = "# Greet\n\n```bash\necho hi\n```\n";
    let job = json!({ "prompt": prompt, "mode": "runbook", "approve": true });
    let job = client.schedule(&job).await;
    let waiting = &receiver.took(2).await[1].1;
    assert_eq!(waiting["data"]["waiting"]["step"], 1);
    assert_eq!(waiting["data"]["waiting"]["code"], "echo hi\n");
    let decision = json!({ "step": 1, "approve": true });
    let decided = client.post(&format!("/v1/jobs/{job}/approval"), &decision).await;
    assert!(decided.status().is_success());

    let taken = receiver.took(3).await;
    assert_eq!(kinds(&taken, job), ["job.started", "job.waiting", "job.ended"]);
    let ended = &taken[2].1["data"];
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("complete"), &json!("finished")));
    // A message is what a list has of the job.
    let listed = serde_json::to_value(&client.jobs().await.jobs[0]).unwrap();
    assert_eq!(*ended, listed);
    assert_eq!(taken[0].1["data"]["title"], "Greet");
    let of = [("outcome", "delivered")];
    let told = |numbers: &Numbers| numbers.sum("cagent_webhooks_total", &of) == 3.0;
    let numbers = Numbers::when(client, told).await;
    assert_eq!(numbers.one("cagent_webhooks_waiting"), 0.0);
}

#[tokio::test]
async fn what_was_not_taken_is_told_again_though_server_and_job_are_gone() {
    let (receiver, builder) = Receiver::start(503).await;
    let server = builder.clone().start().await;
    let job = server.client().run("```bash\ntrue\n```\n").await;
    server.client().wait_end(job).await;
    let of = [("outcome", "failed")];
    let failed = |numbers: &Numbers| numbers.sum("cagent_webhooks_total", &of) >= 1.0;
    let numbers = Numbers::when(server.client(), failed).await;
    assert_eq!(numbers.one("cagent_webhooks_waiting"), 2.0);
    let deleted = reqwest::Method::DELETE;
    let url = format!("{}/v1/jobs/{job}", server.url());
    let deleted = testkit::http_client().request(deleted, url).send().await.unwrap();
    assert!(deleted.status().is_success());
    server.kill().await;

    receiver.answer(200);
    let server = builder.start().await;
    let taken = receiver.took(2).await;
    assert_eq!(kinds(&taken, job), ["job.started", "job.ended"]);
    assert!(receiver.refused().iter().all(|(id, body)| (id, body) == (&taken[0].0, &taken[0].1)));
    assert!(server.client().jobs().await.jobs.is_empty());
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_hold_up_the_others() {
    let (receiver, builder) = Receiver::start(503).await;
    let server = builder.clone().start().await;
    let job = server.client().run("```bash\ntrue\n```\n").await;
    server.client().wait_end(job).await;
    let store = server.data_dir().path().join("cagent.db");
    server.kill().await;
    let damage = "UPDATE outbox SET summary = '{' WHERE kind = 'job.started'";
    assert_eq!(rusqlite::Connection::open(store).unwrap().execute(damage, []).unwrap(), 1);

    receiver.answer(200);
    let server = builder.start().await;
    assert_eq!(kinds(&receiver.took(1).await, job), ["job.ended"]);
    let of = [("outcome", "given_up")];
    let given_up = |numbers: &Numbers| numbers.sum("cagent_webhooks_total", &of) == 1.0;
    Numbers::when(server.client(), given_up).await;
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_left_alone_until_the_next_start() {
    let (receiver, builder) = Receiver::start(410).await;
    let server = builder.clone().start().await;
    for _ in 0..2 {
        let job = server.client().run("```bash\ntrue\n```\n").await;
        server.client().wait_end(job).await;
    }
    // What is due is told before the end, to who listens.
    assert!(server.stop().await.success());
    assert_eq!(receiver.refused().len(), 1);

    receiver.answer(200);
    let _server = builder.start().await;
    let (id, _) = &receiver.took(1).await[0];
    assert_eq!(*id, receiver.refused()[0].0);
}
