//! What is open of a job ends with the key that it was had with.

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt as _;
use jobs::{Holder, MadeKey, NewKey};
use portal::View;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tower::ServiceExt as _;
use types::{JobId, Scope};

use crate::proxy::host;
use crate::support::{HELLO, PATIENCE, Stage, Viewer, path_of, say};
use crate::upstream::APP;

/// The cookie of somebody who came by a link that this holder made.
async fn cookie(stage: &Stage, host: &str, (job, view): (JobId, View), holder: Holder) -> String {
    let link = stage.portal.link(job, view, Some(holder));
    let entered = stage.get(host, path_of(&link.url), &[]).await;
    assert_eq!(entered.status, 200, "{}", entered.body);
    entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().into()
}

async fn open(stage: &Stage, host: &str, path: &str, cookie: &str) -> Viewer {
    let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request.headers_mut().insert("origin", format!("http://{host}").parse().unwrap());
    let stream = TcpStream::connect(stage.address).await.unwrap();
    timeout(PATIENCE, client_async(request, stream)).await.unwrap().unwrap().0
}

async fn ends(mut viewer: Viewer) {
    let end = async {
        while !matches!(viewer.next().await, None | Some(Err(_) | Ok(Message::Close(_)))) {}
    };
    timeout(PATIENCE, end).await.expect("it ends");
}

async fn key(stage: &Stage) -> MadeKey {
    let new = NewKey { name: "bot".into(), scope: Scope::Operate, expires: None };
    stage.jobs.make_key(new).await.unwrap()
}

#[tokio::test]
async fn desktops_and_previews_close_with_the_key() {
    let stage = Stage::with(true).await;
    let job = stage.running("work").await;
    let made = key(&stage).await;
    let holder = stage.jobs.look_up_key(&made.key).unwrap();
    let (desktop, preview) = (stage.host(job), host(&stage, job, APP));
    let mut viewers = vec![];
    for (view, path) in [(View::Control, "/rfb/control"), (View::Watch, "/rfb/watch")] {
        let cookie = cookie(&stage, &desktop, (job, view), holder).await;
        let mut viewer = open(&stage, &desktop, path, &cookie).await;
        say(&mut viewer, HELLO).await;
        viewers.push(viewer);
    }
    let view = View::Preview { port: APP };
    let cookie = cookie(&stage, &preview, (job, view), holder).await;
    viewers.push(open(&stage, &preview, "/socket", &cookie).await);
    assert_eq!(stage.told(job, 1).await, [true]);
    stage.jobs.revoke_key(&made.about.id).await.unwrap();
    for viewer in viewers {
        ends(viewer).await;
    }
    assert_eq!(stage.told(job, 2).await, [true, false], "nobody has mouse and keyboard");
}

#[tokio::test]
async fn what_a_page_opened_ends_when_its_session_does() {
    let stage = Stage::with(true).await;
    let (job, made) = (stage.running("work").await, key(&stage).await);
    let (session, _) = stage.jobs.begin_session(&made.key).unwrap();
    let holder = stage.jobs.look_up_session(&session).unwrap();
    let (preview, view) = (host(&stage, job, APP), View::Preview { port: APP });
    let cookie = cookie(&stage, &preview, (job, view), holder).await;
    let socket = open(&stage, &preview, "/socket", &cookie).await;
    let request = Request::get("/forever").header("host", &*preview).header("cookie", &*cookie);
    let request = request.body(Body::empty()).unwrap();
    let forever = stage.portal.desktops().oneshot(request).await.unwrap();
    assert_eq!(forever.status(), 200);

    stage.jobs.end_session(&session);
    ends(socket).await;
    let mut pieces = forever.into_body().into_data_stream();
    let end = async { while let Some(Ok(_)) = pieces.next().await {} };
    timeout(PATIENCE, end).await.expect("it ends");
    assert_eq!(stage.get(&preview, "/", &[("cookie", &cookie)]).await.status, 403);
    let late = stage.portal.link(job, view, Some(holder));
    assert_eq!(stage.get(&preview, path_of(&late.url), &[]).await.status, 403);
}
