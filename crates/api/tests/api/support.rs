//! A server without a socket, and an agent that does what a prompt's code says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::{ApiConfig, Code, EngineImage, Finding, FindingLevel, Hosts, Machine, Problem};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use engine::{Engine, FakeEngine};
use jiff::Timestamp;
use jobs::{Config, Folders, Jobs, NetworkPolicy};
use models::{Kind, Models, Price, Provider, ToolMode};
use portal::{Portal, PortalConfig};
use protocol::{Assignment, Client, Control, Data, Report, ReportKind, Verdict, Wish};
use runbook::{Runbook, Work};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use types::{
    CheckResult, EventKind, JobId, JobResult, Limits, LimitsPolicy, Network, StepKind, StepOutcome,
    Stream, Waiting,
};

/// Far above what anything here may take; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Writes "hello" to stdout and bytes that are no text to stderr, then succeeds.
pub(crate) const HELLO: &str = "# Hello\n\n```bash\necho hello\n```\n";

/// Begins a step and waits to be cancelled.
pub(crate) const WAIT: &str = "# Wait\n\n```bash\nwait\n```\n";

/// Writes more than the buffers between the server and a client that does not read hold.
pub(crate) const FLOOD: &str = "# Flood\n\n```bash\nflood\n```\n";

/// What [`FLOOD`] writes.
const FLOOD_BYTES: u64 = 1024 * 1024;

pub(crate) struct Server {
    home: TempDir,
    pub(crate) jobs: Jobs,
    pub(crate) closing: CancellationToken,
    pub(crate) router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// One with an image, on which all is well.
#[derive(Debug)]
struct FakeMachine;

#[async_trait]
impl Machine for FakeMachine {
    async fn images(&self) -> Vec<EngineImage> {
        vec![EngineImage { engine: "fake".into(), name: "thin:latest".into(), bytes: 7 }]
    }

    async fn doctor(&self) -> Vec<Finding> {
        let (what, found) = ("fake engine".into(), "it works".into());
        vec![Finding { what, level: FindingLevel::Ok, found, lost: None, cure: None }]
    }
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::set_up(Models::new(vec![]), false).await
    }

    /// One that asks for keys.
    pub(crate) async fn with_keys() -> Self {
        Self::set_up(Models::new(vec![]), true).await
    }

    /// With a model, which nobody asks: the agent only says that it is there.
    pub(crate) async fn with_model(price: Option<Price>) -> Self {
        let ollama = Provider {
            kind: Kind::Ollama,
            key: None,
            base_url: "http://127.0.0.1:9".parse().unwrap(),
            model: "llama".into(),
            window_tokens: 32_000,
            images: false,
            tools: ToolMode::Native,
            price,
            silence: PATIENCE,
        };
        Self::set_up(Models::new(vec![ollama]), false).await
    }

    async fn set_up(models: Models, needs_keys: bool) -> Self {
        let home = TempDir::new().unwrap();
        let engine = FakeEngine::with_agent(Arc::new(|_, gateway| tokio::spawn(agent(gateway))));
        let folders = Folders::claim(&home.path().join("data"), &home.path().join("output"));
        let limits = Limits { processes: 1000, ..Limits::default() };
        let config = Config {
            concurrency: 4,
            retention: Duration::from_secs(86_400),
            limits: LimitsPolicy { defaults: Limits::default(), ceilings: limits },
            network: NetworkPolicy { default: Network::None, ceiling: network() },
            egress_allow: Arc::new([]),
            own_ports: Arc::new([]),
            models: Arc::new(models),
            reserve_bytes: 0,
            results_bytes: u64::MAX,
            engine_patience: std::time::Duration::from_secs(60),
            tells: false,
            clock: jobs::Clock::default(),
        };
        let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(engine.unwrap())];
        let jobs = Jobs::open(folders.unwrap(), config, engines).await.unwrap();
        let closing = CancellationToken::new();
        let portal = Portal::new(jobs.clone(), portal_config());
        let config = ApiConfig {
            engines: vec!["fake".into()],
            machine: Arc::new(FakeMachine),
            portal,
            needs_keys,
            hosts: Hosts::default(),
            closing: closing.clone(),
        };
        let router = api::router(jobs.clone(), config);
        Self { home, jobs, closing, router }
    }

    /// Sends a request, with a good `Host` unless it has one.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = axum::http::HeaderValue::from_static("localhost:8000");
        request.headers_mut().entry("host").or_insert(host);
        let answer = async {
            let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            Answer { status: head.status, headers: head.headers, body }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer with an end")
    }

    /// The key for whoever may read the data directory.
    pub(crate) fn local_key(&self) -> String {
        jobs::local_key(&self.data_dir()).unwrap()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], "")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send(request(Method::POST, path, &json, &body.to_string())).await
    }

    pub(crate) async fn schedule(&self, prompt: &str) -> JobId {
        let scheduled: api::Scheduled =
            self.post("/schedule", &json!({ "prompt": prompt })).await.read();
        scheduled.job_id
    }

    /// Schedules the prompt and waits for its end.
    pub(crate) async fn run(&self, prompt: &str) -> JobId {
        let job = self.schedule(prompt).await;
        self.until(job, |_| false).await;
        job
    }

    /// Schedules [`WAIT`] and waits until its step runs.
    pub(crate) async fn running(&self) -> JobId {
        let job = self.schedule(WAIT).await;
        self.until(job, |event| matches!(event, EventKind::StepStarted { .. })).await;
        job
    }

    /// Waits for an event, or the job's end.
    pub(crate) async fn until(&self, job: JobId, wanted: impl Fn(&EventKind) -> bool) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let seen = async {
            while let Some(page) = follower.next().await.unwrap() {
                if page.iter().any(|event| wanted(&event.event)) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("it happens");
    }
}

impl Answer {
    /// The JSON of a good answer.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        assert!(self.text().ends_with("}\n"), "a shell's prompt gets its own line");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem of a refusal, which must be one in every respect.
    pub(crate) fn problem(&self, code: Code) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.code, code, "{problem:?}");
        assert_eq!(self.status, code.status(), "{problem:?}");
        assert_eq!(problem.status, code.status().as_u16(), "{problem:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(self.text().ends_with("}\n"), "{problem:?}");
        problem
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// What jobs may reach here at most.
fn network() -> Network {
    Network::Domains(vec!["example.org".parse().unwrap(), "*.example.org".parse().unwrap()])
}

async fn agent(gateway: PathBuf) -> i32 {
    let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
    let spec = client.hello("test").await.unwrap().spec;
    let step = 1;
    let kind = StepKind::Bash;
    let started = ReportKind::StepStarted { step, kind, title: "step".into(), line: 3, code: None };
    furnish(&gateway.with_file_name("workspace"));
    let runbook = match spec.assignment {
        Assignment::Runbook { runbook } => runbook,
        Assignment::Task { .. } => return obey(&mut client).await,
    };
    let code = code(&runbook).trim();
    if code == "flood" {
        flood(&mut client, started).await;
    } else if let Some(desktop) = code.strip_prefix("wait") {
        report(&mut client, 1, vec![started]).await;
        let mut controls = client.control().await.unwrap();
        loop {
            match controls.next().await.unwrap() {
                Some(Control::Cancel) => break,
                Some(Control::Dial(dial)) => crate::desktop::answer(&client, dial, desktop).await,
                _ => {}
            }
        }
        report(&mut client, 2, vec![ReportKind::Finished(Verdict::Cancelled)]).await;
    } else {
        let output =
            |stream, bytes: &[u8]| ReportKind::Output { step, stream, data: Data(bytes.to_vec()) };
        let (outcome, exit_code) = (StepOutcome::Ok, Some(0));
        let reports = vec![
            started,
            output(Stream::Stdout, b"hello\n"),
            output(Stream::Stderr, b"\xff\n"),
            ReportKind::StepFinished { step, outcome, exit_code, millis: 1 },
            ReportKind::Finished(Verdict::Complete),
        ];
        report(&mut client, 1, reports).await;
    }
    0
}

/// Waits for a decision about its first step and for a word, then says what it made.
async fn obey(client: &mut Client) -> i32 {
    let (step, kind, title, code) = (1, StepKind::Bash, "look".to_owned(), Some("ls".to_owned()));
    let waiting = Waiting::Approval { step, kind, title: title.clone(), code: code.clone() };
    report(client, 1, vec![ReportKind::Waiting { waiting }]).await;
    let mut controls = client.control().await.unwrap();
    let (mut outcome, mut heard) = (None, None);
    while outcome.is_none() || heard.is_none() {
        match controls.next().await.unwrap() {
            Some(Control::Instruction(instruction)) => match instruction.wish {
                Wish::Message { text } => heard = Some(text),
                Wish::Desktop { .. } => {}
                Wish::Decision { approved: true, .. } => outcome = Some(StepOutcome::Ok),
                Wish::Decision { reason, .. } => {
                    assert_eq!(reason.as_deref(), Some("not that"));
                    outcome = Some(StepOutcome::Rejected);
                }
            },
            Some(Control::Ready | Control::Dial(_)) => {}
            Some(Control::Cancel) | None => {
                report(client, 2, vec![ReportKind::Finished(Verdict::Cancelled)]).await;
                return 0;
            }
        }
    }
    let what = "it is there".to_owned();
    let check = CheckResult { what, passed: true, ..CheckResult::default() };
    let (summary, artifacts) = (heard.unwrap_or_default(), vec!["hello.txt".into()]);
    let result = JobResult { summary, artifacts, checks: vec![check], verified: true };
    let (outcome, exit_code, millis) = (outcome.unwrap_or(StepOutcome::Ok), Some(0), 1);
    let reports = vec![
        ReportKind::StepStarted { step, kind, title, line: 0, code },
        ReportKind::StepFinished { step, outcome, exit_code, millis },
        ReportKind::Result { result },
        ReportKind::Finished(Verdict::Complete),
    ];
    report(client, 2, reports).await;
    0
}

/// What every job leaves: two files, and a link that leads out.
fn furnish(workspace: &Path) {
    std::fs::create_dir_all(workspace.join("made")).unwrap();
    std::fs::write(workspace.join("made/by the agent.txt"), "0123456789").unwrap();
    std::fs::write(workspace.join("hello.txt"), "hello\n").unwrap();
    std::os::unix::fs::symlink("/etc", workspace.join("link")).unwrap();
}

/// Writes [`FLOOD_BYTES`] to stdout.
async fn flood(client: &mut Client, started: ReportKind) {
    report(client, 1, vec![started]).await;
    let piece = vec![b'x'; 64 * 1024];
    for n in 2..2 + FLOOD_BYTES / 65_536 {
        let data = Data(piece.clone());
        report(client, n, vec![ReportKind::Output { step: 1, stream: Stream::Stdout, data }]).await;
    }
    let (outcome, exit_code) = (StepOutcome::Ok, Some(0));
    let finished = ReportKind::StepFinished { step: 1, outcome, exit_code, millis: 1 };
    let end = vec![finished, ReportKind::Finished(Verdict::Complete)];
    report(client, 2 + FLOOD_BYTES / 65_536, end).await;
}

fn code(runbook: &Runbook) -> &str {
    match &runbook.blocks[0].work {
        Work::Run { code, .. } => code,
        Work::File { .. } => "",
    }
}

async fn report(client: &mut Client, first: u64, reports: Vec<ReportKind>) {
    let at = Timestamp::now();
    let numbered = (first..).zip(reports);
    let reports: Vec<_> = numbered.map(|(n, report)| Report { n, at, report }).collect();
    client.report(&reports).await.unwrap();
}

fn portal_config() -> PortalConfig {
    let nowhere = (std::net::Ipv4Addr::LOCALHOST, 9).into();
    PortalConfig {
        desktop: nowhere,
        jupyter: nowhere,
        api: nowhere,
        domain: "localhost".parse().unwrap(),
        needs_keys: false,
        path_previews: false,
    }
}
