//! A small gateway that records what agentd reports and can go away and come back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path as UrlPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use protocol::{Ack, AgentSpec, Control, Dial, Instruction, PROTOCOL, Target, Welcome, Wish};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use types::{ModelAnswer, ModelRequest, Stream};

use crate::log::Log;

/// Long enough for a loaded machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const KEY: &str = "k3y-of-this-session-5f1c0a";

/// Enough for a batch of reports and for a question.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What CONNECT leads to, by host and port: a real address, or a refusal.
pub(crate) type Hosts = HashMap<&'static str, Result<SocketAddr, (StatusCode, &'static str)>>;

/// What the model answers to each question; nothing, ever, if there is no answer.
pub(crate) type Model = Box<dyn FnMut(&ModelRequest) -> Option<ModelAnswer> + Send>;

struct Shared {
    spec: AgentSpec,
    hosts: Hosts,
    model: Mutex<Model>,
    log: Mutex<Log>,
    changed: Condvar,
    /// What the control stream says after its first line, for as long as there are streams.
    controls: watch::Sender<Vec<Control>>,
    /// Those who wait for connections into the sandbox, by their numbers.
    dials: Mutex<HashMap<u64, oneshot::Sender<Dialled>>>,
    /// Whether batches are recorded but not answered.
    mute: watch::Sender<bool>,
    /// Whether nobody is admitted any more.
    refuse: watch::Sender<bool>,
    /// Whether the key that is given first is replaced before it is used.
    replaced: AtomicBool,
}

/// A connection into the sandbox, or why there is none.
pub(crate) type Dialled = Result<TokioIo<Upgraded>, String>;

#[derive(Debug)]
pub(crate) struct Gateway {
    socket: PathBuf,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Gateway {
    pub(crate) fn new(socket: &Path, spec: AgentSpec, hosts: Hosts, model: Model) -> Self {
        let shared = Shared {
            spec,
            hosts,
            model: Mutex::new(model),
            log: Mutex::default(),
            changed: Condvar::new(),
            controls: watch::Sender::new(vec![Control::Ready]),
            dials: Mutex::default(),
            mute: watch::Sender::new(false),
            refuse: watch::Sender::new(false),
            replaced: AtomicBool::new(false),
        };
        Self { socket: socket.into(), shared: Arc::new(shared), runtime: None }
    }

    /// The same, but an earlier hello is answered after the first one, which nobody hears.
    pub(crate) fn with_a_late_hello(self) -> Self {
        self.shared.replaced.store(true, Ordering::Relaxed);
        self
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
            .route(protocol::path::MODEL, post(model))
            .route(&format!("{}/{{n}}", protocol::path::DIALS), post(arrive))
            .fallback(connect)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
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
        self.shared.controls.send_modify(|controls| controls.push(Control::Cancel));
    }

    /// A person says something.
    pub(crate) fn say(&self, text: &str) {
        self.instruct(Wish::Message { text: text.into() });
    }

    /// A person decides about a step.
    pub(crate) fn decide(&self, step: u32, approved: bool, reason: Option<&str>) {
        self.instruct(Wish::Decision { step, approved, reason: reason.map(str::to_owned) });
    }

    /// Asks for a connection into the sandbox; said as often as wanted.
    pub(crate) fn dial(&self, n: u64, to: Target, times: usize) -> oneshot::Receiver<Dialled> {
        let (sender, answer) = oneshot::channel();
        self.shared.dials.lock().unwrap().insert(n, sender);
        let dial = Control::Dial(Dial { n, to });
        self.shared.controls.send_modify(|controls| controls.extend(vec![dial; times]));
        answer
    }

    /// Does something on the gateway's side.
    pub(crate) fn wait_for<T>(&self, what: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, what).await.unwrap() })
    }

    fn instruct(&self, wish: Wish) {
        self.shared.controls.send_modify(|controls| {
            let n = controls.len() as u64;
            controls.push(Control::Instruction(Instruction { n, wish }));
        });
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
        if self.replaced.swap(false, Ordering::Relaxed) {
            return Err((StatusCode::UNAUTHORIZED, "another key is given"));
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
        let presents = headers.contains_key("authorization");
        if (log.key_used || presents) && !has_key(&headers) {
            return Err((StatusCode::UNAUTHORIZED, "not the key"));
        }
        log.hellos += 1;
        let replaced = shared.replaced.load(Ordering::Relaxed);
        let key = if replaced { "a key that is replaced" } else { KEY };
        Ok(Json(Welcome {
            session_key: (!log.key_used).then(|| key.into()),
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
        let mut controls = shared.controls.subscribe();
        drop(controls.wait_for(|controls| controls.len() > sent).await);
        let line = serde_json::to_string(&controls.borrow()[sent]).unwrap() + "\n";
        Some((Ok::<_, std::convert::Infallible>(line), (sent + 1, shared)))
    });
    Ok(Response::new(Body::from_stream(lines)))
}

async fn model(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(question): Json<ModelRequest>,
) -> Result<Json<ModelAnswer>, Refusal> {
    shared.admit(&headers)?;
    let answer = (*shared.model.lock().unwrap())(&question);
    shared.note(|log| log.questions.push(question));
    match answer {
        Some(answer) => Ok(Json(answer)),
        None => {
            let _given_up = GivenUp(shared);
            std::future::pending().await
        }
    }
}

/// Notes that it is dropped, as the handler is when its client goes.
struct GivenUp(Arc<Shared>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.note(|log| log.taken_back += 1);
    }
}

async fn arrive(
    State(shared): State<Arc<Shared>>,
    UrlPath(n): UrlPath<u64>,
    mut request: Request,
) -> Result<Response, Refusal> {
    shared.admit(request.headers())?;
    let waiting = shared.dials.lock().unwrap().remove(&n);
    let Some(waiting) = waiting else {
        shared.note(|log| log.unwanted += 1);
        return Err((StatusCode::GONE, "nobody waits for it"));
    };
    if !request.headers().contains_key("upgrade") {
        waiting.send(Err(String::from_request(request, &()).await.unwrap())).unwrap();
        return Ok(Response::default());
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move { waiting.send(Ok(TokioIo::new(upgrade.await.unwrap()))) });
    let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let switching = switching.header("connection", "upgrade").header("upgrade", PROTOCOL);
    Ok(switching.body(Body::empty()).unwrap())
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
