//! A small gateway that records what agentd reports and can go away and come back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use protocol::{Ack, AgentSpec, Checkpoint, Report, ReportKind, Verdict, Welcome};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use types::{StepOutcome, Stream};

/// Long enough for a loaded machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const KEY: &str = "k3y-of-this-session-5f1c0a";

/// What CONNECT leads to, by host and port: a real address, or a refusal.
pub(crate) type Hosts = HashMap<&'static str, Result<SocketAddr, (StatusCode, &'static str)>>;

/// What agentd said.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) reports: Vec<Report>,
    pub(crate) hellos: usize,
    pub(crate) controls: usize,
    /// Batches that were recorded and never answered.
    pub(crate) unanswered: usize,
    /// Reports that came twice.
    pub(crate) repeated: usize,
    /// What the protocol does not allow.
    pub(crate) wrong: Vec<String>,
    key_used: bool,
}

#[derive(Debug)]
struct Shared {
    spec: AgentSpec,
    hosts: Hosts,
    log: Mutex<Log>,
    changed: Condvar,
    cancel: watch::Sender<bool>,
    /// Whether batches are recorded but not answered.
    mute: watch::Sender<bool>,
    /// Whether nobody is admitted any more.
    refuse: watch::Sender<bool>,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    socket: PathBuf,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Gateway {
    pub(crate) fn new(socket: &Path, spec: AgentSpec, hosts: Hosts) -> Self {
        let shared = Shared {
            spec,
            hosts,
            log: Mutex::default(),
            changed: Condvar::new(),
            cancel: watch::Sender::new(false),
            mute: watch::Sender::new(false),
            refuse: watch::Sender::new(false),
        };
        Self { socket: socket.into(), shared: Arc::new(shared), runtime: None }
    }

    pub(crate) fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(&self.socket).unwrap()
        };
        let app = Router::new()
            .route(protocol::path::HELLO, post(hello))
            .route(protocol::path::REPORTS, post(reports))
            .route(protocol::path::CONTROL, get(control))
            .fallback(connect)
            .layer(DefaultBodyLimit::max(protocol::MAX_BATCH_BYTES))
            .with_state(Arc::clone(&self.shared));
        runtime.spawn(async move { axum::serve(listener, app).await });
        self.runtime = Some(runtime);
    }

    /// Breaks every connection, as a killed orchestrator does.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
            std::fs::remove_file(&self.socket).unwrap();
        }
    }

    pub(crate) fn cancel(&self) {
        self.shared.cancel.send_replace(true);
    }

    /// Admits nobody any more.
    pub(crate) fn refuse(&self) {
        self.shared.refuse.send_replace(true);
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.shared.mute.send_replace(mute);
    }

    /// Waits until the log is as wanted.
    pub(crate) fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&Log) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.shared.log.lock().unwrap();
        loop {
            if let Some(found) = wanted(&log) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {log:#?}");
            log = self.shared.changed.wait_timeout(log, left).unwrap().0;
        }
    }

    pub(crate) fn wait_for_output(&self, text: &str) {
        self.wait(text, |log| {
            String::from_utf8_lossy(&log.output(Stream::Stdout)).contains(text).then_some(())
        });
    }

    pub(crate) fn into_log(mut self) -> Log {
        self.stop();
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }
}

impl Log {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.reports.last().map(|report| &report.report) {
            Some(ReportKind::Finished(verdict)) => verdict.clone(),
            other => panic!("the last report is {other:?}"),
        }
    }

    pub(crate) fn output(&self, wanted: Stream) -> Vec<u8> {
        let mut bytes = Vec::new();
        for report in &self.reports {
            if let ReportKind::Output { stream, data, .. } = &report.report
                && *stream == wanted
            {
                bytes.extend_from_slice(&data.0);
            }
        }
        bytes
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output(Stream::Stdout)).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output(Stream::Stderr)).unwrap()
    }

    /// Outcome and exit code of every step, in order.
    pub(crate) fn steps(&self) -> Vec<(StepOutcome, Option<i32>)> {
        let step = |report: &Report| match report.report {
            ReportKind::StepFinished { outcome, exit_code, .. } => Some((outcome, exit_code)),
            _ => None,
        };
        self.reports.iter().filter_map(step).collect()
    }

    pub(crate) fn notices(&self) -> Vec<&str> {
        let mut notices = Vec::new();
        for report in &self.reports {
            if let ReportKind::Notice { text, .. } = &report.report {
                notices.push(text.as_str());
            }
        }
        notices
    }

    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        let checkpoint = |report: &Report| match &report.report {
            ReportKind::Checkpoint(checkpoint) => Some(checkpoint.clone()),
            _ => None,
        };
        self.reports.iter().filter_map(checkpoint).collect()
    }

    fn record(&mut self, report: Report) {
        let next = self.reports.last().map_or(1, |last| last.n + 1);
        if report.n < next {
            self.repeated += 1;
        } else if report.n > next {
            self.wrong.push(format!("report {} after {}", report.n, next - 1));
        } else {
            self.reports.push(report);
        }
    }
}

type Refusal = (StatusCode, &'static str);

impl Shared {
    fn note<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let result = change(&mut self.log.lock().unwrap());
        self.changed.notify_all();
        result
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if *self.refuse.borrow() {
            return Err((StatusCode::FORBIDDEN, "go away"));
        }
        if has_key(headers) {
            self.note(|log| log.key_used = true);
            return Ok(());
        }
        self.note(|log| log.wrong.push("a call without the key".into()));
        Err((StatusCode::UNAUTHORIZED, "no key"))
    }
}

fn has_key(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {KEY}"))
}

async fn hello(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Welcome>, Refusal> {
    if *shared.refuse.borrow() {
        return Err((StatusCode::FORBIDDEN, "go away"));
    }
    shared.note(|log| {
        if log.key_used && !has_key(&headers) {
            return Err((StatusCode::UNAUTHORIZED, "the key is in use"));
        }
        log.hellos += 1;
        Ok(Json(Welcome {
            session_key: (!log.key_used).then(|| KEY.into()),
            spec: shared.spec.clone(),
            acked: log.reports.last().map_or(0, |report| report.n),
        }))
    })
}

async fn reports(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Ack>, Refusal> {
    shared.admit(&headers)?;
    let mute = *shared.mute.borrow();
    let acked = shared.note(|log| {
        if log.controls == 0 {
            log.wrong.push("reports before the control stream".into());
        }
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            log.record(serde_json::from_slice(line).unwrap());
        }
        log.unanswered += usize::from(mute);
        log.reports.last().map_or(0, |report| report.n)
    });
    if mute {
        std::future::pending::<()>().await;
    }
    Ok(Json(Ack { acked }))
}

async fn control(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    shared.admit(&headers)?;
    shared.note(|log| log.controls += 1);
    let lines = futures_util::stream::unfold((0, shared), |(sent, shared)| async move {
        let line = match sent {
            0 => "{\"type\":\"ready\"}\n",
            1 => {
                let mut cancelled = shared.cancel.subscribe();
                drop(cancelled.wait_for(|cancelled| *cancelled).await);
                "{\"type\":\"cancel\"}\n"
            }
            _ => std::future::pending().await,
        };
        Some((Ok::<_, std::convert::Infallible>(line), (sent + 1, shared)))
    });
    Ok(Response::new(Body::from_stream(lines)))
}

async fn connect(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
) -> Result<Response, Refusal> {
    shared.admit(request.headers())?;
    assert_eq!(request.method(), Method::CONNECT);
    let to = request.uri().authority().unwrap().to_string();
    let unknown = Err((StatusCode::FORBIDDEN, "not in this job's `network`"));
    let address = shared.hosts.get(to.as_str()).cloned().unwrap_or(unknown)?;
    let mut host = tokio::net::TcpStream::connect(address).await.unwrap();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut job = TokioIo::new(upgrade.await.unwrap());
        tokio::io::copy_bidirectional(&mut job, &mut host).await
    });
    Ok(Response::default())
}
