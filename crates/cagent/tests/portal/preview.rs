//! What a program of a job serves, in a browser.

use serde_json::json;
use testkit::{Browser, Builder};

use crate::support::server;
use crate::web::{origin, preview, put, ready, serves};

/// A page that calls its server both ways, as development servers' pages do.
const APP: &str = r#"
import base64, hashlib, http.server

PAGE = b'''<!doctype html><title>app</title><p>hello<script>
const socket = new WebSocket(`ws://${location.host}/hot`, 'vite-hmr');
socket.onmessage = async ({ data }) => {
  const answer = await fetch('/api', { method: 'POST', body: 'x'.repeat(1e6) });
  document.title = `${data} ${await answer.text()} ${socket.protocol}`;
};
socket.onopen = () => socket.send('ping');
</script>'''

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        if self.headers.get('Upgrade') != 'websocket':
            return self.say(PAGE)
        key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
        self.send_response(101)
        self.send_header('Upgrade', 'websocket')
        self.send_header('Connection', 'Upgrade')
        self.send_header('Sec-WebSocket-Protocol', 'vite-hmr')
        self.send_header('Sec-WebSocket-Accept', base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        head = self.rfile.read(6)
        said = bytes(b ^ head[2 + n % 4] for n, b in enumerate(self.rfile.read(head[1] & 127)))
        self.wfile.write(bytes([0x81, len(said)]) + said)
        self.rfile.read(1)

    def do_POST(self):
        self.say(str(len(self.rfile.read(int(self.headers['Content-Length'])))).encode())

    def say(self, body):
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print('ready', flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', 5173), Handler).serve_forever()
"#;

#[tokio::test]
async fn an_app_works_with_all_it_does() {
    let server = server().await;
    let job = ready(&server, &format!("```python\n{APP}\n```\n")).await;
    let browser = Browser::start().await;
    let link = preview(&server, job, 5173).await;
    assert!(link.starts_with(&format!("http://5173-{job}.localhost:")), "{link}");
    let page = browser.open(&link).await;
    page.until("document.title === 'ping 1000000 vite-hmr'").await;
    let address = page.eval("location.href").await;
    assert_eq!(address, json!(format!("{}/", origin(&link))), "without the ticket");
}

/// Each port has an origin of its own.
#[tokio::test]
async fn who_comes_early_sees_it_as_soon_as_it_is_there() {
    let server = server().await;
    let wait = "```sh\necho ready\nuntil [ -e go ]; do sleep 0.02; done\n\
                echo 'it is there' > index.html\nexec python3 -m http.server 8000 -b ::1\n```\n";
    let job = ready(&server, wait).await;
    let browser = Browser::start().await;
    let page = browser.open(&preview(&server, job, 8000).await).await;
    page.until("document.body.innerText.includes('nothing listens on port 8000')").await;
    put(&server, job, "go", "").await;
    page.until("document.body.innerText.includes('it is there')").await;

    server.client().cancel(job).await;
    server.client().wait_end(job).await;
    page.eval("location.reload()").await;
    page.until("document.body.innerText.includes('This job is over')").await;
}

#[tokio::test]
async fn where_keys_are_needed_only_links_lead_in() {
    let builder = Builder::new(env!("CARGO_BIN_EXE_cagent"));
    let server = builder
        .env("CAGENT_DESKTOP_LISTEN", "0.0.0.0:0")
        .env("CAGENT_JUPYTER_LISTEN", "127.0.0.1:0")
        .start()
        .await
        .with_own_key();
    let (one, two) = (serves(&server, 3000).await, serves(&server, 3000).await);
    let browser = Browser::start().await;
    let (link, other) = (preview(&server, one, 3000).await, preview(&server, two, 3000).await);
    let page = browser.open(origin(&link)).await;
    page.until("document.body.innerText.includes('Come by a link')").await;
    page.go(&link).await;
    page.until("document.body.innerText.includes('a secret')").await;
    page.go(&link).await;
    page.until("document.body.innerText.includes('does not work any more')").await;
    page.go(origin(&link)).await;
    page.until("document.body.innerText.includes('a secret')").await;
    page.go(origin(&other)).await;
    page.until("document.body.innerText.includes('Come by a link')").await;
}
