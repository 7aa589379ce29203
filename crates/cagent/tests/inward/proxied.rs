//! What the way through the portal costs beside a connection of one's own. Prints figures; run it with
//! `--release --ignored --nocapture`.

use std::time::Instant;

use jobs::Target;
use portal::{Portal, PortalConfig};
use testkit::http_client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use types::JobId;

use crate::latency::middle;
use crate::support::Bed;

const ROUNDS: usize = 500;
const BIG: usize = 100 << 20;
const PORT: u16 = 3000;

/// One byte, or a hundred mebibytes, for each connection.
const SERVER: &str = r#"
```python
import socket
server = socket.create_server(('127.0.0.1', 3000), backlog=128)
print('ready', flush=True)
piece = bytes(1 << 20)
while True:
    client = server.accept()[0]
    head = client.recv(65536)
    count = 100 if b'/big' in head else 0
    client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % (count << 20 or 1))
    for _ in range(count): client.sendall(piece)
    if not count: client.sendall(b'x')
    client.close()
```
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn beside_a_connection_of_ones_own() {
    let bed = Bed::new(None).await;
    let job = bed.ready(SERVER).await;
    let (mut direct, mut proxied) = (vec![], vec![]);
    let (url, host) = served(&bed, job).await;
    let client = http_client();
    let get = async |path: &str| {
        let answer = client.get(format!("{url}{path}")).header("host", &host).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().len()
    };
    for _ in 0..ROUNDS {
        let began = Instant::now();
        fetch(&bed, job, "/").await;
        direct.push(began.elapsed());
        let began = Instant::now();
        assert_eq!(get("/").await, 1);
        proxied.push(began.elapsed());
    }
    println!("a request: of one's own {:?}, proxied {:?}", middle(direct), middle(proxied));
    let rate = |began: Instant| (BIG as f64 / 1e6 / began.elapsed().as_secs_f64()).round();
    let began = Instant::now();
    fetch(&bed, job, "/big").await;
    let direct = rate(began);
    let began = Instant::now();
    assert_eq!(get("/big").await, BIG);
    println!("100 MiB, in MB/s: of one's own {direct}, proxied {}", rate(began));
    bed.jobs.cancel(job).await.unwrap();
}

async fn fetch(bed: &Bed, job: JobId, path: &str) {
    let mut stream = bed.dial(job, Target::Port { port: PORT }).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// A portal; its address, and the name that a preview has there.
async fn served(bed: &Bed, job: JobId) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = PortalConfig {
        desktop: address,
        jupyter: address,
        api: address,
        domain: "localhost".parse().unwrap(),
        needs_keys: false,
        path_previews: false,
    };
    let router = Portal::new(bed.jobs.clone(), config).desktops();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), format!("{PORT}-{job}.localhost:{}", address.port()))
}
