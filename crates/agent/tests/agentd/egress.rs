//! The way out: real programs, through agentd's proxies, to a server outside of the namespace.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use protocol::Verdict;
use runbook::{Block, Program};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::gateway::Hosts;
use crate::log::Log;
use crate::sandbox::{Sandbox, Setting, bash, block};

/// Servers that live as long as this.
struct World {
    runtime: Runtime,
    files: TempDir,
    hosts: Hosts,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let files = tempfile::tempdir().unwrap();
        let web = runtime.block_on(web(files.path()));
        let talker = runtime.block_on(talker());
        let hosts = Hosts::from([
            ("web.test:80", Ok(web)),
            ("web.test:8080", Ok(web)),
            ("[2001:db8::1]:80", Ok(web)),
            ("192.0.2.1:80", Ok(web)),
            ("talker.test:22", Ok(talker)),
            ("gone.test:80", Err((StatusCode::BAD_GATEWAY, "could not find gone.test"))),
            ("slow.test:80", Err((StatusCode::GATEWAY_TIMEOUT, "slow.test did not answer"))),
            ("full.test:80", Err((StatusCode::SERVICE_UNAVAILABLE, "too many"))),
        ]);
        Self { runtime, files, hosts }
    }

    /// Runs blocks that all succeed; what they say.
    fn run(self, blocks: Vec<Block>) -> String {
        let log = Sandbox::online(self.hosts.clone(), blocks).finish().0;
        self.runtime.shutdown_background();
        succeeded(&log);
        log.stdout()
    }
}

fn succeeded(log: &Log) {
    assert_eq!(log.verdict(), Verdict::Complete, "{}\n{}", log.stdout(), log.stderr());
}

/// Says how it was called, gives back what it gets, and has files.
async fn web(files: &Path) -> SocketAddr {
    let app = Router::new()
        .route("/hello", get(hello))
        .route("/echo", post(|body: String| async { body }))
        .fallback(file)
        .with_state(files.to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn hello(request: Request) -> String {
    let header = |name: &str| request.headers().get(name).is_some();
    let leaked = ["proxy-connection", "proxy-authorization", "authorization"];
    let leaked: Vec<_> = leaked.into_iter().filter(|name| header(name)).collect();
    let host = request.headers().get(HOST).unwrap().to_str().unwrap();
    format!("{} at {host} {leaked:?}\n", request.uri())
}

async fn file(State(files): State<std::path::PathBuf>, request: Request) -> impl IntoResponse {
    let path = files.join(request.uri().path().trim_start_matches('/'));
    fs::read(path).map_err(|_| StatusCode::NOT_FOUND)
}

/// Speaks first, and answers when it has heard everything.
async fn talker() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(b"welcome\n").await.unwrap();
                let mut heard = String::new();
                stream.read_to_string(&mut heard).await.unwrap();
                stream.write_all(format!("heard {heard}").as_bytes()).await.unwrap();
            });
        }
    });
    address
}

#[test]
fn curl_gets_out_in_every_way() {
    let said = World::new().run(vec![bash(
        "curl -sS http://web.test/hello
         curl -sS 'http://web.test:8080/hello?a=b'
         curl -sS -p http://web.test/hello
         curl -sS --request-target http://web.test:/hello http://web.test/
         curl -sS --noproxy '' -g 'http://[2001:db8::1]/hello'
         curl -sS -x socks5h://127.0.0.1:1080 http://web.test/hello
         curl -sS -x socks5://127.0.0.1:1080 http://192.0.2.1/hello
         curl -sS -g -x socks5h://127.0.0.1:1080 'http://[2001:db8::1]/hello'
         head -c 300000 /dev/zero | tr '\\0' x > big
         curl -sS --data-binary @big http://web.test/echo | cmp - big
         curl -sS --data-binary @big -H 'Transfer-Encoding: chunked' http://web.test/echo | cmp - big
         curl -sS http://web.test/hello http://web.test/hello | wc -l",
    )]);
    let expected = "/hello at web.test []\n\
                    /hello?a=b at web.test:8080 []\n\
                    /hello at web.test []\n\
                    /hello at web.test: []\n\
                    /hello at [2001:db8::1] []\n\
                    /hello at web.test []\n\
                    /hello at 192.0.2.1 []\n\
                    /hello at [2001:db8::1] []\n\
                    2\n";
    assert_eq!(said, expected);
}

#[test]
fn refusals_are_at_once_and_say_why() {
    let said = World::new().run(vec![
        bash(
            "set +e
             for host in other gone slow full; do
               curl -s -w '%{http_code}\\n' http://$host.test/
               curl -s -o /dev/null -w '%{http_connect}\\n' -p http://$host.test/
               curl -sS -x socks5h://127.0.0.1:1080 http://$host.test/ 2>&1 | grep -o '([0-9]*)$'
             done
             curl -s -o /dev/null -w '%{http_code}\\n' --noproxy '*' http://127.0.0.1:3128/
             exec 3<>/dev/tcp/127.0.0.1/1080; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3
             exec 3<>/dev/tcp/127.0.0.1/3128; printf '\\x05\\x01\\x00\\r\\n\\r\\n' >&3; head -1 <&3",
        ),
        block(
            Program::Python,
            "import urllib.request
try: urllib.request.urlopen('https://other.test/')
except OSError as e: print(e)",
        ),
    ]);
    let expected = "not in this job's `network`\n403\n403\n(2)\n\
                    could not find gone.test\n502\n502\n(4)\n\
                    slow.test did not answer\n504\n504\n(6)\n\
                    too many\n503\n503\n(1)\n\
                    400\n\
                    HTTP/1.1 400 Bad Request\r\n\
                    <urlopen error Tunnel connection failed: 403 not in this job's `network`>\n";
    assert_eq!(said, expected);
}

#[test]
fn who_finds_no_room_is_told_and_who_was_refused_makes_room() {
    let said = World::new().run(vec![block(
        Program::Python,
        "import socket

def ask(port, question):
    with socket.create_connection(('127.0.0.1', port)) as client:
        client.sendall(question)
        return b''.join(iter(lambda: client.recv(4096), b''))

refused = b'GET http://other.test/ HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n'
# Read to its end, so it was closed.
print(ask(3128, refused).split(b'\\r\\n')[0].decode())
clients = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(512)]
print(ask(3128, b'CONNECT web.test:80 HTTP/1.1\\r\\n\\r\\n').decode())
print(ask(1080, b'\\x05\\x01\\x00'))
for client in clients: client.close()
while not ask(3128, refused).startswith(b'HTTP/1.1 403'): pass",
    )]);
    let expected = "HTTP/1.1 403 not in this job's `network`\n\
                    HTTP/1.1 503 this sandbox has too many connections\r\n\
                    Content-Type: text/plain\r\nContent-Length: 56\r\nConnection: close\r\n\r\n\
                    this sandbox has too many connections; close some first\n\n\
                    b'\\x05\\x00\\x05\\x01\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00'\n";
    assert_eq!(said, expected);
}

#[test]
fn other_programs_find_the_way_by_themselves() {
    let world = World::new();
    repository(world.files.path());
    let said = world.run(vec![
        block(
            Program::Python,
            "import urllib.request
print(urllib.request.urlopen('http://web.test/hello').read().decode(), end='')",
        ),
        bash("git clone -q http://web.test/repository.git; cat repository/README"),
        bash("(echo question | ../agentd connect talker.test 22)"),
        bash("../agentd connect other.test 22 2>&1").expecting(1),
        bash("../agentd connect 'a b' 22 2>&1").expecting(1),
    ]);
    let expected = "/hello at web.test []\n\
                    it works\n\
                    welcome\nheard question\n\
                    agentd: connect to other.test: not in this job's `network`\n\
                    agentd: \"a b:22\" is no host and port\n";
    assert_eq!(said, expected);
}

/// A repository that any file server can offer.
fn repository(files: &Path) {
    let script = "git init -q work && cd work && echo it works > README && git add README
        git -c user.name=a -c user.email=a@b commit -q -m first
        git clone -q --bare . ../repository.git && cd ../repository.git && git update-server-info";
    let made = Command::new("bash").args(["-ec", script]).current_dir(files).status();
    assert!(made.unwrap().success(), "install git, this test needs it");
}

#[test]
fn the_jobs_own_variables_go_first_and_agentd_has_none() {
    let said = World::new().run(vec![
        bash("echo $MINE $PAGER $https_proxy $NO_PROXY $NODE_USE_ENV_PROXY; export MINE=changed"),
        bash("echo $MINE; tr '\\0' '\\n' < /proc/1/environ 2>&1 | grep -c MINE || true"),
    ]);
    let expected = "yes less http://127.0.0.1:3128 localhost,127.0.0.1,::1 1\nchanged\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn many_at_once_all_get_out() {
    let said = World::new().run(vec![bash(
        "for i in $(seq 100); do curl -sS http://web.test/hello & done | grep -c web.test",
    )]);
    assert_eq!(said, "100\n");
}
