//! What programs of a job serve, and how they go wrong.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures_util::stream;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jobs::Target;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

/// Where a decent program listens.
pub(crate) const APP: u16 = 3000;

/// Where nobody does, and what an agent says then.
pub(crate) const NOBODY: u16 = 3001;
pub(crate) const NOBODY_SAYS: &str = "nothing <b>listens</b> on port 3001";

/// Where a program says this, whatever it is asked.
pub(crate) const RUDE: [(u16, &str); 4] = [
    (4000, "SSH-2.0-OpenSSH_9.2\r\n"),
    (4001, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    (
        4002,
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (4003, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok, and more that is not asked for"),
];

/// Where a program takes requests and says nothing.
pub(crate) const MUTE: u16 = 4004;

/// Told when it has taken one.
pub(crate) static HEARD: Notify = Notify::const_new();

/// Where a program never ends its head.
pub(crate) const ENDLESS: u16 = 4005;

/// Serves one connection.
pub(crate) async fn serve(
    to: Target,
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    match to {
        Target::Port { port: MUTE } => {
            stream.read_u8().await.unwrap();
            HEARD.notify_one();
            drop(stream.read_to_end(&mut vec![]).await);
        }
        Target::Port { port: ENDLESS } => {
            while stream.write_all(b"HTTP/1.1 200 OK\r\nx: ".repeat(64).as_slice()).await.is_ok() {}
        }
        Target::Port { port }
            if let Some((_, says)) = RUDE.iter().find(|(rude, _)| *rude == port) =>
        {
            let mut head = [0; 1];
            stream.read_exact(&mut head).await.unwrap();
            stream.write_all(says.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut vec![]).await);
        }
        _ => {
            let service = TowerToHyperService::new(app());
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // Whoever asked may leave.
            drop(served.with_upgrades().await);
        }
    }
}

fn app() -> Router {
    Router::new()
        .route("/socket", get(socket))
        .route("/cookies", get(|| async { [("set-cookie", "mine=1"), ("x-evil", "1")] }))
        .route("/login", get(|| async { [("location", "http://localhost:3000/home")] }))
        .route("/forever", get(forever))
        .route("/big", get(|| async { vec![7_u8; 8 << 20] }))
        .fallback(any(mirror))
        .layer(DefaultBodyLimit::disable())
}

/// Says what came.
async fn mirror(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| [name.as_str(), value.to_str().unwrap()]).collect();
    let headers = json!(headers);
    Json(json!({ "method": method.as_str(), "uri": uri.to_string(), "headers": headers,
        "length": body.len() }))
}

/// Agrees to a subprotocol, and says back what it hears.
async fn socket(upgrade: WebSocketUpgrade, headers: HeaderMap) -> Response {
    let origin = headers["origin"].to_str().unwrap().to_owned();
    let cookie = headers.get("cookie").map_or("", |cookie| cookie.to_str().unwrap()).to_owned();
    upgrade.protocols(["v1.kernel.websocket.jupyter.org"]).on_upgrade(async move |mut socket| {
        socket.send(Message::text(format!("{origin} {cookie}"))).await.unwrap();
        while let Some(Ok(Message::Binary(bytes))) = socket.recv().await {
            if socket.send(Message::Binary(bytes)).await.is_err() {
                break;
            }
        }
    })
}

/// A line at once, and never an end.
async fn forever() -> Response {
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"data: 1\n\n")) });
    let rest = stream::once(async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(Bytes::new())
    });
    Body::from_stream(futures_util::StreamExt::chain(first, rest)).into_response()
}
