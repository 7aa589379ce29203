//! A portal on a real port, and an agent whose desktop writes down what it hears.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use engine::{Engine, FakeEngine};
use futures_util::{SinkExt as _, StreamExt as _};
use jobs::{Config, Folders, Jobs, NetworkPolicy, ScheduleRequest};
use models::Models;
use portal::{Portal, PortalConfig, View};
use protocol::{Client, Control, Dial, Report, ReportKind, Target, Verdict};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower::ServiceExt as _;
use types::{EventKind, JobId, JobStatus, Limits, LimitsPolicy, Mode, Network};

use crate::upstream;

/// Far above what anything here may take; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the desktop says first.
pub(crate) const GREETING: &[u8] = b"RFB 003.008\n";

/// What a viewer says first.
pub(crate) const HELLO: &[u8] = b"RFB 003.008\n\x01\x01";

/// The letter a is pressed; an update is asked for.
pub(crate) const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 97];
pub(crate) const UPDATE: &[u8] = &[3, 0, 0, 0, 0, 0, 4, 0, 3, 0];

/// What an agent without a desktop says; hostile, as all it says.
pub(crate) const NO_DESKTOP: &str = "<b>no Xvnc</b> here";

/// The title of a job without a desktop.
pub(crate) const BARE: &str = "bare";

pub(crate) struct Stage {
    _home: TempDir,
    pub(crate) jobs: Jobs,
    pub(crate) portal: Portal,
    pub(crate) address: SocketAddr,
    /// What all desktops heard.
    pub(crate) heard: Arc<Mutex<Vec<u8>>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) type Viewer = WebSocketStream<TcpStream>;

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    pub(crate) async fn with(needs_keys: bool) -> Self {
        Self::set_up("localhost", needs_keys, false).await
    }

    /// Behind a proxy with TLS.
    pub(crate) async fn behind(domain: &str) -> Self {
        Self::set_up(domain, true, false).await
    }

    /// With previews by path.
    pub(crate) async fn by_path() -> Self {
        Self::set_up("localhost", false, true).await
    }

    async fn set_up(domain: &str, needs_keys: bool, path_previews: bool) -> Self {
        let home = TempDir::new().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let ears = heard.clone();
        let engine = FakeEngine::with_agent(Arc::new(move |_, gateway| {
            tokio::spawn(agent(gateway, ears.clone()))
        }));
        let folders = Folders::claim(&home.path().join("data"), &home.path().join("output"));
        let limits = Limits::default();
        let config = Config {
            concurrency: 4,
            retention: Duration::from_secs(86_400),
            limits: LimitsPolicy { defaults: limits, ceilings: limits },
            network: NetworkPolicy { default: Network::None, ceiling: Network::None },
            egress_allow: Arc::new([]),
            own_ports: Arc::new([]),
            models: Arc::new(Models::new(vec![])),
            reserve_bytes: 0,
            results_bytes: u64::MAX,
            engine_patience: std::time::Duration::from_secs(60),
            tells: false,
            clock: jobs::Clock::default(),
        };
        let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(engine.unwrap())];
        let jobs = Jobs::open(folders.unwrap(), config, engines).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = PortalConfig {
            desktop: address,
            jupyter: address,
            api: address,
            domain: domain.parse().unwrap(),
            needs_keys,
            path_previews,
        };
        let portal = Portal::new(jobs.clone(), config);
        let router = portal.desktops();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { _home: home, jobs, portal, address, heard }
    }

    /// A job that runs until it is cancelled.
    pub(crate) async fn running(&self, title: &str) -> JobId {
        let request = ScheduleRequest {
            prompt: format!("# {title}\n\n```bash\nwait\n```\n"),
            mode: Mode::Runbook,
            ..ScheduleRequest::default()
        };
        let job = self.jobs.schedule(request).await.unwrap();
        self.until(job, async || self.jobs.get(job).await.unwrap().status == JobStatus::Running)
            .await;
        job
    }

    /// Waits until something is so, looking again at each event of the job.
    pub(crate) async fn until(&self, job: JobId, is_so: impl AsyncFn() -> bool) {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let seen = async {
            while !is_so().await {
                follower.next().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("it happens");
    }

    /// Whether the job was told that somebody has its desktop, each time.
    pub(crate) async fn told(&self, job: JobId, times: usize) -> Vec<bool> {
        let mut follower = self.jobs.follow(job, 0).await.unwrap();
        let mut told = vec![];
        let seen = async {
            while told.len() < times {
                let page = follower.next().await.unwrap().unwrap_or_default();
                told.extend(page.iter().filter_map(|event| match event.event {
                    EventKind::Desktop { taken } => Some(taken),
                    _ => None,
                }));
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("it is told");
        told
    }

    /// Sends a GET to this host.
    pub(crate) async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = self.portal.desktops().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Where a job's desktop is.
    pub(crate) fn host(&self, job: JobId) -> String {
        format!("{job}.localhost:{}", self.address.port())
    }

    /// Where its Jupyter Lab is.
    pub(crate) fn lab(&self, job: JobId) -> String {
        format!("lab-{}", self.host(job))
    }

    /// The cookie of somebody who came by a link.
    pub(crate) async fn cookie(&self, job: JobId, view: View) -> String {
        let link = self.portal.link(job, view, None);
        let path = path_of(&link.url);
        let entered = self.get(&self.host(job), path, &[]).await;
        assert_eq!(entered.status, 200, "{}", entered.body);
        let cookie = entered.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Somebody who came by a link and connects.
    pub(crate) async fn connect(&self, job: JobId, view: View, path: &str) -> Viewer {
        let cookie = self.cookie(job, view).await;
        self.knock(job, path, &[("cookie", &cookie)]).await.unwrap()
    }

    /// A WebSocket, if it is let in.
    pub(crate) async fn knock(
        &self,
        job: JobId,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Viewer, Error> {
        let mut request = format!("ws://{}{path}", self.host(job)).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connected = tokio::time::timeout(PATIENCE, client_async(request, stream)).await;
        Ok(connected.expect("an answer")?.0)
    }

    /// What the desktops have heard once it ends with this.
    pub(crate) async fn heard_until(&self, end: &[u8]) -> Vec<u8> {
        let heard = async {
            loop {
                let heard = self.heard.lock().unwrap().clone();
                if heard.ends_with(end) {
                    return heard;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it is heard")
    }
}

/// Says something in one message.
pub(crate) async fn say(viewer: &mut Viewer, bytes: &[u8]) {
    viewer.send(Message::binary(bytes.to_vec())).await.unwrap();
}

/// Reads on until the connection is closed; with which code.
pub(crate) async fn farewell(viewer: &mut Viewer) -> u16 {
    let closed = async {
        loop {
            match viewer.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map_or(0, |f| f.code.into()),
                Some(Ok(_)) => {}
                end => panic!("no farewell: {end:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("it is closed")
}

pub(crate) fn path_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    &rest[rest.find('/').unwrap()..]
}

/// Runs until it is cancelled, and has a desktop unless its job's title says otherwise.
async fn agent(gateway: PathBuf, heard: Arc<Mutex<Vec<u8>>>) -> i32 {
    let mut client = Client::new(gateway.join(protocol::SOCKET_NAME));
    let spec = client.hello("test").await.unwrap().spec;
    let is_bare = serde_json::to_string(&spec).unwrap().contains(BARE);
    let mut controls = client.control().await.unwrap();
    // As in a sandbox, what is in it ends with it.
    let mut desktops = JoinSet::new();
    loop {
        match controls.next().await.unwrap() {
            Some(Control::Dial(dial)) if is_bare => {
                client.refuse(dial.n, NO_DESKTOP).await.unwrap()
            }
            Some(Control::Dial(dial)) if dial.to == Target::Port { port: upstream::NOBODY } => {
                client.refuse(dial.n, upstream::NOBODY_SAYS).await.unwrap()
            }
            Some(Control::Dial(Dial { n, to: to @ (Target::Port { .. } | Target::Jupyter) })) => {
                desktops.spawn(upstream::serve(to, client.arrive(n).await.unwrap()));
            }
            Some(Control::Dial(dial)) => {
                let stream = client.arrive(dial.n).await.unwrap();
                desktops.spawn(desktop(stream, heard.clone()));
            }
            Some(Control::Cancel) | None => break,
            Some(Control::Ready | Control::Instruction(_)) => {}
        }
    }
    let report = ReportKind::Finished(Verdict::Cancelled);
    let report = Report { n: 1, at: jiff::Timestamp::now(), report };
    client.report(&[report]).await.unwrap();
    0
}

async fn desktop(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    stream.write_all(GREETING).await.unwrap();
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        heard.lock().unwrap().extend_from_slice(&bytes[..count]);
    }
}
