//! A server, jobs with something on their screen, and ways to them.

use std::path::Path;

use api::Ticket;
use serde_json::json;
use testkit::{Browser, Builder, Page, Server};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use types::{Event, EventKind, JobId};

/// The green behind the letters of the terminal.
const GREEN: [u8; 3] = [0x3a, 0x7d, 0x0c];

/// Writes one line of keys to `line.txt`.
const TERMINAL: &str = "xterm -bg '#3a7d0c' -geometry 120x40+0+0 -e \
    bash -c 'touch begun; IFS= read -r line; printf %s \"$line\" > new; mv new line.txt; sleep 1000'";

/// A server on free ports.
pub(crate) async fn server() -> Server {
    builder().start().await
}

/// One that is yet to be started.
pub(crate) fn builder() -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_cagent"))
        .env("CAGENT_DESKTOP_LISTEN", "127.0.0.1:0")
        .env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0")
}

/// A job with a terminal on its screen, which reads one line.
pub(crate) async fn terminal(server: &Server) -> JobId {
    let job = shows(server, TERMINAL).await;
    file(server, job, "begun").await;
    job
}

/// A job that runs this program on its screen until it is cancelled.
pub(crate) async fn shows(server: &Server, program: &str) -> JobId {
    let runbook = format!("# A screen\n\n```bash\n{program} &\necho shown; sleep 1000\n```\n");
    let job = json!({ "prompt": runbook, "mode": "runbook", "desktop": true });
    let job = server.client().schedule(&job).await;
    server.client().events_until(job, is_output).await;
    job
}

pub(crate) fn is_output(event: &Event) -> bool {
    matches!(event.event, EventKind::Output { .. })
}

/// A link into a job.
pub(crate) async fn link(server: &Server, job: JobId, view: &str) -> String {
    let path = format!("/v1/jobs/{job}/tickets");
    let answer = server.client().post(&path, &json!({ "view": view })).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    answer.json::<Ticket>().await.unwrap().url
}

/// Our own page, on the port that a link leads to.
pub(crate) fn own_page(link: &str) -> String {
    format!("http://localhost:{}/", port(link))
}

pub(crate) fn port(link: &str) -> u16 {
    link.split('/').nth(2).unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// A WebSocket, with the session that the link gives.
pub(crate) async fn socket(link: &str, path: &str) -> WebSocketStream<TcpStream> {
    let host = link.split('/').nth(2).unwrap();
    let address = format!("127.0.0.1:{}", port(link));
    // Names below `localhost` are this machine, but not every resolver knows.
    let entered = testkit::http_client()
        .get(link.replace(host, &address))
        .header("host", host)
        .send()
        .await
        .unwrap();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    client_async(request, stream).await.unwrap().0
}

/// What the job wrote into its workspace, once it is there.
pub(crate) async fn file(server: &Server, job: JobId, name: &str) -> String {
    let path = format!("/v1/jobs/{job}/files/{name}");
    let there = async {
        loop {
            let answer = server.client().get(&path).await;
            if answer.status() == 200 {
                return answer.text().await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(testkit::PATIENCE, there).await.expect("the job writes the file")
}

/// The page of a desktop, once it shows the terminal.
pub(crate) async fn see(browser: &Browser, url: &str) -> Page {
    let page = browser.open(url).await;
    until_pixel(&page, GREEN).await;
    page
}

/// Waits until this colour is to be seen a little off the desktop's upper left corner, where the
/// window's frame is not.
pub(crate) async fn until_pixel(page: &Page, colour: [u8; 3]) {
    let [red, green, blue] = colour;
    let seen = "document.querySelector('#screen canvas')?.getContext('2d')\
                .getImageData(200, 200, 1, 1).data.slice(0, 3).join()";
    page.until(&format!("{seen} === '{red},{green},{blue}'")).await;
}

/// Keeps a picture for people to look at.
pub(crate) async fn keep(page: &Page, name: &str) {
    let picture = page.screenshot().await;
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).unwrap();
}
