//! The numbers add up with what the API says of the same jobs.

use serde_json::json;
use testkit::scripted::{Fault, Provider, Reply, Scenario};
use testkit::{Builder, Client, ScriptedModel, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use types::{Event, EventKind, JobId, ModelCall};

use crate::support::{CAGENT, Numbers, bash, finish};

/// Jobs that end in every way, on a server that knows one model.
struct Played {
    server: Server,
    _model: ScriptedModel,
    agent: JobId,
    fetched: u64,
}

impl Played {
    async fn begin() -> Self {
        let call = Reply::call("shell", json!({ "command": "echo from the model" }));
        let call = call.but(1, Fault::Status { status: 503, message: None });
        let model = ScriptedModel::start(Scenario::of([call, finish()])).await;
        let server = Builder::new(CAGENT)
            .model(&model, &[Provider::Gemini])
            .env("GEMINI_PRICE", "10/100")
            .env("CAGENT_EGRESS_ALLOW", "127.0.0.2")
            .env("CAGENT_CONCURRENCY", "4")
            .start()
            .await;
        let client = server.client();
        let address = web_server().await;
        let fetches = client.run(&bash(&format!("curl -sS --fail http://{address}"))).await;
        let fails = client.run(&bash("exit 3")).await;
        let agent = client.schedule(&json!({ "prompt": "Do the work", "mode": "agent" })).await;
        for job in [fetches, fails, agent] {
            client.wait_end(job).await;
        }
        let fetched = client.job(fetches).await.usage.unwrap().egress_received_bytes.unwrap();
        Self { server, _model: model, agent, fetched }
    }

    fn client(&self) -> &Client {
        self.server.client()
    }

    async fn calls(&self) -> Vec<ModelCall> {
        let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
        let events = self.client().events_until(self.agent, is_end).await;
        let call = |event: Event| match event.event {
            EventKind::ModelCall { call } => Some(call),
            _ => None,
        };
        events.into_iter().filter_map(call).collect()
    }
}

#[tokio::test]
async fn numbers_add_up_with_the_api_and_begin_anew_after_a_restart() {
    let played = Played::begin().await;
    let client = played.client();
    let ended = |numbers: &Numbers| numbers.sum("cagent_jobs_ended_total", &[]);
    let numbers = Numbers::when(client, |numbers| ended(numbers) >= 3.0).await;
    compare_jobs(&numbers, client).await;
    compare_models(&numbers, &played.calls().await);
    assert_eq!(
        numbers.sum("cagent_egress_bytes_total", &[("direction", "received")]),
        played.fetched as f64
    );
    assert_eq!(numbers.sum("cagent_engine_errors_total", &[]), 0.0);
    no_job_is_a_label(&numbers, client).await;
    is_of_this_process(&numbers);

    // A slow one is watched, and there when the server is killed.
    let slow = client.run(&bash("echo begun; sleep 1000")).await;
    let events = client.get(&format!("/v1/jobs/{slow}/events")).await;
    client.events_until(slow, |event| matches!(event.event, EventKind::Output { .. })).await;
    Numbers::when(client, |numbers| {
        numbers.sum("cagent_jobs", &[("status", "running")]) == 1.0
            && numbers.one("cagent_event_streams") == 1.0
    })
    .await;
    drop(events);
    Numbers::when(client, |numbers| numbers.one("cagent_event_streams") == 0.0).await;

    let data = played.server.data_dir().clone();
    played.server.kill().await;
    let server = Builder::new(CAGENT).data_dir(&data).start().await;
    let numbers = Numbers::of(server.client()).await;
    assert_eq!((ended(&numbers), numbers.one("cagent_jobs_accepted_total")), (0.0, 0.0));
    compare_statuses(&numbers, server.client()).await;
    assert_eq!(numbers.sum("cagent_jobs", &[("status", "running")]), 1.0);
    server.client().cancel(slow).await;
    let cancelled = [("status", "cancelled"), ("reason", "cancelled")];
    let numbers = Numbers::when(server.client(), |numbers| ended(numbers) >= 1.0).await;
    assert_eq!(numbers.sum("cagent_jobs_ended_total", &cancelled), 1.0);
    assert_eq!(numbers.one("cagent_job_duration_seconds_count"), 1.0);
    assert_eq!(numbers.one("cagent_job_start_seconds_count"), 0.0, "it began before");
}

#[tokio::test]
async fn who_waits_in_the_queue_is_seen_to_wait() {
    let server = Builder::new(CAGENT).env("CAGENT_CONCURRENCY", "1").start().await;
    let client = server.client();
    assert_eq!(Numbers::of(client).await.one("cagent_queue_age_seconds"), 0.0);
    let first = client.run(&bash("sleep 1000")).await;
    let next = client.run(&bash("true")).await;
    let waits = |numbers: &Numbers| numbers.one("cagent_queue_age_seconds") > 0.5;
    let numbers = Numbers::when(client, waits).await;
    assert_eq!(numbers.sum("cagent_jobs", &[("status", "scheduled")]), 1.0);
    client.cancel(first).await;
    client.wait_end(next).await;
    let numbers = Numbers::of(client).await;
    assert_eq!(numbers.one("cagent_queue_age_seconds"), 0.0);
    // More than the half second that it waited for its turn.
    assert!(numbers.one("cagent_job_start_seconds_sum") > 0.5, "{numbers:#?}");
}

async fn compare_jobs(numbers: &Numbers, client: &Client) {
    compare_statuses(numbers, client).await;
    let jobs = client.jobs().await.jobs;
    assert_eq!(numbers.one("cagent_jobs_accepted_total"), jobs.len() as f64);
    assert_eq!(numbers.one("cagent_job_start_seconds_count"), jobs.len() as f64);
    assert_eq!(numbers.one("cagent_job_duration_seconds_count"), jobs.len() as f64);
    let mut zips = 0;
    for job in jobs {
        let job = client.job(job.job_id).await;
        let reason = serde_json::to_value(job.reason).unwrap();
        let labels = [("status", job.status.as_str()), ("reason", reason.as_str().unwrap())];
        assert!(numbers.sum("cagent_jobs_ended_total", &labels) >= 1.0, "{labels:?}");
        zips += client.download(job.job_id).await.len();
    }
    assert!(numbers.one("cagent_results_bytes") >= zips as f64);
}

async fn compare_statuses(numbers: &Numbers, client: &Client) {
    let jobs = client.jobs().await.jobs;
    for status in
        ["scheduled", "starting", "running", "packaging", "complete", "error", "cancelled"]
    {
        let listed = jobs.iter().filter(|job| job.status.as_str() == status).count();
        assert_eq!(numbers.sum("cagent_jobs", &[("status", status)]), listed as f64, "{status}");
    }
}

fn compare_models(numbers: &Numbers, calls: &[ModelCall]) {
    let model = [("provider", "gemini"), ("model", Provider::Gemini.model())];
    let total =
        |name: &str, (label, value)| numbers.sum(name, &[model[0], model[1], (label, value)]);
    let failed = calls.iter().filter(|call| call.error.is_some()).count();
    assert!(failed > 0 && failed < calls.len(), "{calls:?}");
    assert_eq!(total("cagent_model_calls_total", ("outcome", "failed")), failed as f64);
    assert_eq!(
        total("cagent_model_calls_total", ("outcome", "answered")),
        (calls.len() - failed) as f64
    );
    let (read, written) = calls.iter().fold((0, 0), |(read, written), ModelCall { usage, .. }| {
        (read + usage.input_tokens, written + usage.output_tokens)
    });
    assert_eq!(total("cagent_model_tokens_total", ("direction", "input")), read as f64);
    assert_eq!(total("cagent_model_tokens_total", ("direction", "output")), written as f64);
    let cost: f64 = calls.iter().filter_map(|call| call.cost_usd).map(|cost| cost.dollars()).sum();
    let counted = numbers.sum("cagent_model_cost_dollars_total", &model);
    assert!(cost > 0.0 && (counted - cost).abs() < 1e-9, "{counted} {cost}");
}

/// What clients make up would make the numbers endless.
async fn no_job_is_a_label(numbers: &Numbers, client: &Client) {
    let jobs = client.jobs().await.jobs;
    for label in numbers.labels() {
        assert!(!jobs.iter().any(|job| label.contains(&job.job_id.to_string())), "{label}");
    }
}

fn is_of_this_process(numbers: &Numbers) {
    for name in [
        "cagent_agent_reports_total",
        "cagent_gateway_received_bytes_total",
        "cagent_store_commit_seconds_count",
        "cagent_disk_free_bytes",
        "cagent_disk_reserve_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        assert!(numbers.one(name) > 0.0, "{name}: {numbers:#?}");
    }
    assert_eq!(numbers.one("cagent_store_commit_failures_total"), 0.0);
    assert_eq!(numbers.sum("cagent_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

/// Says `hello` to everybody.
async fn web_server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
            let _ = stream.write_all(answer).await;
        }
    });
    address
}
