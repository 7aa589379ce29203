//! The calls.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use futures_util::stream;
use hyper::Request;
use hyper::body::Incoming;
use protocol::{
    Ack, AgentSpec, Hello, MAX_BATCH_BYTES, MAX_QUESTION_BYTES, PROTOCOL, Report, VERSION, Welcome,
    path,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use types::ModelAnswer;

use crate::connections::Standing;
use crate::dials::Waiting;
use crate::egress::Exit;
use crate::key::{self, KeyState};
use crate::orders::{Orders, Told};
use crate::{Sink, SinkError};

/// The longest hello; it has a version or two.
const MAX_HELLO_BYTES: usize = 4 * 1024;

/// The longest reason why there is no connection into the sandbox.
const MAX_WHY_BYTES: usize = 4 * 1024;

/// What the calls of one job share.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    key: Arc<Mutex<KeyState>>,
    greeting: Arc<tokio::sync::Mutex<()>>,
    sink: Arc<dyn Sink>,
    orders: watch::Receiver<Orders>,
    exit: Exit,
    dials: Arc<Waiting>,
    closing: CancellationToken,
}

impl Session {
    pub(crate) fn new(
        key: KeyState,
        sink: Arc<dyn Sink>,
        orders: watch::Receiver<Orders>,
        exit: Exit,
        dials: Arc<Waiting>,
        closing: CancellationToken,
    ) -> Self {
        let (key, greeting) = (Arc::new(Mutex::new(key)), Arc::default());
        Self { key, greeting, sink, orders, exit, dials, closing }
    }

    fn key(&self) -> KeyState {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a key. One at a time: who says hello again, because the answer was lost, has the last.
    async fn greet(&self, hello: Hello) -> Result<(Option<String>, (AgentSpec, u64)), Refusal> {
        let _turn = self.greeting.lock().await;
        if !self.key().may_give() {
            return Err(stranger());
        }
        let key = key::generate();
        let hash = key::digest(&key);
        let answer = self.sink.hello(hello, Some(hash)).await?;
        self.set_key(KeyState::Given(hash));
        Ok((Some(key), answer))
    }

    /// Remembers that the key is used. Waits for hellos that are being answered: after a late one
    /// this is the key no more.
    async fn first_use(&self, presented: &str) -> Result<(), Refusal> {
        let _turn = self.greeting.lock().await;
        let state = self.key();
        if !state.accepts(presented) {
            return Err(stranger());
        }
        if let KeyState::Given(hash) = state {
            self.sink.key_used(hash).await?;
            self.set_key(KeyState::Used(hash));
        }
        Ok(())
    }

    fn set_key(&self, state: KeyState) {
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// What a call of one connection needs.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    session: Session,
    standing: Standing,
}

impl Caller {
    pub(crate) fn new(session: Session, standing: Standing) -> Self {
        Self { session, standing }
    }

    /// The calls that have a path.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route(path::HELLO, post(hello).layer(DefaultBodyLimit::max(MAX_HELLO_BYTES)))
            .route(path::REPORTS, post(reports).layer(DefaultBodyLimit::max(MAX_BATCH_BYTES)))
            .route(path::MODEL, post(model).layer(DefaultBodyLimit::max(MAX_QUESTION_BYTES)))
            .route(path::CONTROL, get(control))
            .route(
                &format!("{}/{{n}}", path::DIALS),
                post(arrive).layer(DefaultBodyLimit::max(MAX_WHY_BYTES)),
            )
            .with_state(self)
    }

    /// The call that has none.
    pub(crate) async fn connect(&self, request: Request<Incoming>) -> Response {
        if let Err(refusal) = self.admit(request.headers()).await {
            return refusal.into_response();
        }
        self.standing.leave();
        self.session.exit.connect(request).await
    }

    /// Lets in whoever has the key, and remembers that it was used.
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let state = self.session.key();
        let presented = presented(headers).filter(|key| state.accepts(key)).ok_or_else(stranger)?;
        self.standing.rise();
        match state {
            KeyState::Used(_) => Ok(()),
            KeyState::None | KeyState::Given(_) => self.session.first_use(presented).await,
        }
    }
}

/// Proof that the caller has the key. As an argument it goes before the body, which is then read
/// only of such a caller.
struct Holder;

impl FromRequestParts<Caller> for Holder {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, caller: &Caller) -> Result<Self, Refusal> {
        caller.admit(&parts.headers).await?;
        Ok(Self)
    }
}

/// Proof that the caller may say hello.
enum Greeter {
    /// It gets a key.
    New,
    /// It has one.
    Holder,
}

impl FromRequestParts<Caller> for Greeter {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, caller: &Caller) -> Result<Self, Refusal> {
        if presented(&parts.headers).is_none() && caller.session.key().may_give() {
            return Ok(Self::New);
        }
        caller.admit(&parts.headers).await?;
        Ok(Self::Holder)
    }
}

async fn hello(
    State(Caller { session, standing }): State<Caller>,
    greeter: Greeter,
    body: Bytes,
) -> Result<Json<Welcome>, Refusal> {
    let hello: Hello = read(&body)?;
    if hello.protocol > VERSION {
        let message = format!("protocol {} is newer than {VERSION}", hello.protocol);
        return Err(Refusal(StatusCode::BAD_REQUEST, message));
    }
    // Nobody but the agent comes before the key was used.
    standing.rise();
    let (session_key, (spec, acked)) = match greeter {
        Greeter::New => session.greet(hello).await?,
        Greeter::Holder => (None, session.sink.hello(hello, None).await?),
    };
    Ok(Json(Welcome { session_key, spec, acked }))
}

async fn reports(
    State(Caller { session, .. }): State<Caller>,
    _: Holder,
    body: Bytes,
) -> Result<Json<Ack>, Refusal> {
    session.sink.received(body.len());
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let reports: Vec<Report> = lines.map(read).collect::<Result<_, _>>()?;
    Ok(Json(Ack { acked: session.sink.reports(reports).await? }))
}

/// The caller's connection is given up with the answer: while a model thinks, nothing else comes.
async fn model(
    State(Caller { session, .. }): State<Caller>,
    _: Holder,
    body: Bytes,
) -> Result<Json<ModelAnswer>, Refusal> {
    session.sink.received(body.len());
    Ok(Json(session.sink.model(read(&body)?).await?))
}

/// A connection into the sandbox that was asked for; or why there is none, as the body.
async fn arrive(
    State(Caller { session, standing }): State<Caller>,
    _: Holder,
    Path(n): Path<u64>,
    mut request: Request<Body>,
) -> Result<Response, Refusal> {
    // Neither takes the place of what the agent needs.
    standing.leave();
    let late = || Refusal(StatusCode::GONE, "nobody waits for it any more".into());
    if request.headers().contains_key(UPGRADE) {
        let stream = hyper::upgrade::on(&mut request);
        if !session.dials.arrived(n, stream) {
            return Err(late());
        }
        let upgraded = [(CONNECTION, "upgrade"), (UPGRADE, PROTOCOL)];
        return Ok((StatusCode::SWITCHING_PROTOCOLS, upgraded).into_response());
    }
    let why = Bytes::from_request(request, &()).await;
    let why = why.map_err(|e| Refusal(e.status(), e.body_text()))?;
    if !session.dials.refused(n, String::from_utf8_lossy(&why).into_owned()) {
        return Err(late());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn control(State(Caller { session, .. }): State<Caller>, _: Holder) -> Result<Body, Refusal> {
    let start = (Told::default(), session.orders.clone(), session.closing.clone());
    Ok(Body::from_stream(stream::unfold(start, |(mut told, mut orders, closing)| async move {
        let message = tokio::select! {
            () = closing.cancelled() => return None,
            message = told.next(&mut orders) => message,
        };
        let line = serde_json::to_string(&message).map(|line| line + "\n");
        Some((line, (told, orders, closing)))
    })))
}

fn stranger() -> Refusal {
    Refusal(StatusCode::UNAUTHORIZED, "the session key is missing or wrong".into())
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(text)
        .map_err(|e| Refusal(StatusCode::BAD_REQUEST, format!("not what the protocol says: {e}")))
}

/// A call that was not taken, as its answer.
struct Refusal(StatusCode, String);

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Refused(text) => Self(StatusCode::UNPROCESSABLE_ENTITY, text),
            SinkError::Unavailable(text) => Self(StatusCode::SERVICE_UNAVAILABLE, text),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
