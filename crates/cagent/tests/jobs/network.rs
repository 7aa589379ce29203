//! What jobs reach and what they do not, with the clients people use.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use api::Job;
use serde_json::{Value, json};
use testkit::{Builder, Server, packages};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use types::{Egress, EgressVerdict, Event, EventKind, Reason, Stream};

use crate::support::assert_complete;

#[tokio::test]
async fn what_the_operator_lists_is_reached_and_told() {
    let address = web_server().await;
    let server = server_allowing("127.0.0.2").await;
    let get = format!(
        "import urllib.request as u\nprint(u.urlopen('http://{address}').read().decode(), end='')"
    );
    for (language, code) in [("sh", format!("curl -sS --fail http://{address}")), ("python", get)] {
        let (job, egress) = run(&server, json!("open"), language, &code).await;
        assert_complete(&job);
        assert_eq!(stdout(&server, &job).await, "hello", "{code}");
        let [one] = &egress[..] else { panic!("{egress:#?}") };
        assert_eq!((&*one.host, one.port), ("127.0.0.2", address.port()));
        assert_eq!((one.verdict, one.count), (EgressVerdict::Allowed, 1));
        assert!(one.received_bytes > 5 && one.sent_bytes > 0, "{one:?}");
        assert_eq!(job.usage.unwrap().egress_received_bytes, Some(one.received_bytes));
    }
}

#[tokio::test]
async fn the_hosts_own_addresses_are_refused_at_once() {
    let address = web_server().await;
    let server = server_allowing("").await;
    let began = Instant::now();
    let code = format!(
        "curl -sS -o /dev/null -w '%{{http_code}}\\n' http://{address}\n\
         curl -sS http://169.254.169.254/latest/meta-data | head -c 300 >&2\n\
         curl -sS --socks5-hostname 127.0.0.1:1080 http://{address} || echo $?"
    );
    let (job, egress) = run(&server, json!("open"), "sh", &code).await;
    assert!(began.elapsed() < Duration::from_secs(8), "refusals are answered at once");
    assert_complete(&job);
    assert_eq!(stdout(&server, &job).await, "403\n97\n");
    assert!(egress.iter().all(|one| one.verdict == EgressVerdict::Refused), "{egress:#?}");
    assert_eq!(egress.len(), 3, "{egress:#?}");
}

#[tokio::test]
async fn the_api_is_refused_even_where_its_address_is_listed() {
    let server = server_allowing("127.0.0.1,127.0.0.0/8").await;
    let url = server.url();
    let code = format!("curl -sS --noproxy '' -o /dev/null -w '%{{http_code}}' {url}/jobs");
    let (job, egress) = run(&server, json!("open"), "sh", &code).await;
    assert_complete(&job);
    assert_eq!(stdout(&server, &job).await, "403");
    assert!(egress.iter().all(|one| one.verdict == EgressVerdict::Refused), "{egress:#?}");
}

#[tokio::test]
async fn without_a_network_everything_fails_at_once() {
    let server = server_allowing("127.0.0.2").await;
    let address = web_server().await;
    let code = format!(
        "curl -sS --fail http://{address}\ncurl -sS --noproxy '*' http://example.org\n\
         python3 -c 'import socket; socket.create_connection((\"127.0.0.2\", {}))'",
        address.port()
    );
    let began = Instant::now();
    let (job, egress) = run(&server, json!("none"), "sh", &code).await;
    assert_eq!(job.reason, Some(Reason::StepFailed), "{job:#?}");
    assert!(began.elapsed() < Duration::from_secs(8), "failures come at once");
    assert_eq!(stdout(&server, &job).await, "");
    let [one] = &egress[..] else { panic!("{egress:#?}") };
    assert_eq!(one.verdict, EgressVerdict::Refused);
    assert!(one.why.as_ref().unwrap().contains("no network"), "{one:?}");
}

#[tokio::test]
async fn a_domain_that_is_not_listed_is_refused() {
    let server = server_allowing("").await;
    let code = "curl -sS https://elsewhere.example.org || echo $?";
    let (job, egress) = run(&server, json!(["*.example.com"]), "sh", code).await;
    assert_complete(&job);
    let [one] = &egress[..] else { panic!("{egress:#?}") };
    assert_eq!((&*one.host, one.verdict), ("elsewhere.example.org", EgressVerdict::Refused));
}

#[tokio::test]
async fn pip_works_out_of_the_box() {
    let code =
        "python3 -m pip download --no-deps --no-cache-dir -d wheels six\nls wheels | grep six";
    packages::install(|| Builder::new(env!("CARGO_BIN_EXE_cagent")), code).await;
}

#[tokio::test]
async fn npm_works_out_of_the_box() {
    let code = "npm install --no-audit --no-fund is-odd\nls node_modules/is-odd";
    packages::install(|| Builder::new(env!("CARGO_BIN_EXE_cagent")), code).await;
}

/// A server whose jobs may reach these addresses though they are not public.
async fn server_allowing(addresses: &str) -> Server {
    let program = env!("CARGO_BIN_EXE_cagent");
    Builder::new(program).env("CAGENT_EGRESS_ALLOW", addresses).start().await
}

async fn run(server: &Server, network: Value, language: &str, code: &str) -> (Job, Vec<Egress>) {
    let prompt = format!("```{language}\n{code}\n```\n");
    let body = json!({ "prompt": prompt, "network": network });
    ended(server, server.client().schedule(&body).await).await
}

/// A job once it has ended, and the connections it asked for.
async fn ended(server: &Server, job: types::JobId) -> (Job, Vec<Egress>) {
    let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let events = server.client().events_until(job, is_end).await;
    let egress = events.into_iter().filter_map(|event| match event.event {
        EventKind::Egress { egress } => Some(egress),
        _ => None,
    });
    (server.client().job(job).await, egress.collect())
}

async fn stdout(server: &Server, job: &Job) -> String {
    let log = server.client().log(job.job_id, Stream::Stdout).await;
    String::from_utf8(log).unwrap()
}

/// A web server that answers everything with `hello`, on a loopback address that clients do not
/// take for one where no proxy is needed.
async fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let answer =
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
                drop(stream.write_all(answer.as_bytes()).await);
            }
        }
    });
    address
}
