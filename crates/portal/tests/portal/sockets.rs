//! WebSockets of previews.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use types::JobId;

use crate::proxy::host;
use crate::support::{PATIENCE, Stage};
use crate::upstream::APP;

const KERNEL: &str = "v1.kernel.websocket.jupyter.org";

type Opened = (WebSocketStream<TcpStream>, Response<Option<Vec<u8>>>);

async fn open(stage: &Stage, job: JobId, path: &str, origin: &str) -> Result<Opened, Error> {
    let url = format!("ws://{}{path}", host(stage, job, APP));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    request.headers_mut().insert("cookie", "a=b; cagent-preview=x".parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", KERNEL.parse().unwrap());
    let stream = TcpStream::connect(stage.address).await.unwrap();
    tokio::time::timeout(PATIENCE, client_async(request, stream)).await.unwrap()
}

#[tokio::test]
async fn they_carry_everything_both_ways() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let origin = format!("http://{}", host(&stage, job, APP));
    let (mut socket, agreed) = open(&stage, job, "/socket", &origin).await.unwrap();
    assert_eq!(agreed.headers()["sec-websocket-protocol"], KERNEL);
    let hello = socket.next().await.unwrap().unwrap();
    assert_eq!(hello, Message::text(format!("{origin} a=b")), "ours stay with us");
    for size in [0, 1, 70_000, 1 << 20] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        let echo = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        assert!(echo == message, "{size}");
    }
    // The job closes, and says so.
    socket.send(Message::text("enough")).await.unwrap();
    while let Some(message) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() {
        assert!(matches!(message, Ok(Message::Close(_)) | Err(_)), "{message:?}");
    }
}

#[tokio::test]
async fn no_other_page_opens_one() {
    let stage = Stage::new().await;
    let (job, other) = (stage.running("one").await, stage.running("two").await);
    let port = stage.address.port();
    for origin in [
        format!("http://{}", host(&stage, other, APP)),
        format!("http://{job}.localhost:{port}"),
        format!("http://{}", host(&stage, job, 3002)),
        "null".into(),
    ] {
        let refused = open(&stage, job, "/socket", &origin).await.unwrap_err();
        let Error::Http(answer) = refused else { panic!("{origin}: {refused}") };
        assert_eq!(answer.status(), 403, "{origin}");
    }
}

#[tokio::test]
async fn a_program_may_refuse_one() {
    let stage = Stage::new().await;
    let job = stage.running("work").await;
    let origin = format!("http://{}", host(&stage, job, APP));
    let refused = open(&stage, job, "/no-socket", &origin).await.unwrap_err();
    let Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 200, "it is an answer like others");
}
