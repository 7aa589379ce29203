//! Against a real server on loopback that answers with exactly these bytes.

use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use types::Stop;

use super::*;
use crate::openai::OpenAi;
use crate::{Kind, Secret, fixtures};

const KEY: &str = "sk-0123456789abcdef";
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße 👋\"}}]}\n\n";
const END: &str =
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What the server does once it has read the question.
enum Act {
    Send(Vec<u8>),
    /// Each byte on its own.
    Dribble(Vec<u8>),
    /// So many times, or until nobody listens.
    Flood(Vec<u8>, usize),
    /// Again and again, slowly, until nobody listens.
    Drip(Vec<u8>),
    /// Says nothing more until the client goes away.
    Stall,
}

fn send(text: impl Into<String>) -> Act {
    Act::Send(text.into().into_bytes())
}

/// A server for one question, and what it was asked.
async fn serve(acts: Vec<Act>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let asked = read_question(&mut stream).await;
        for act in acts {
            if play(&mut stream, act).await.is_err() {
                break;
            }
        }
        let _ = stream.shutdown().await;
        asked
    });
    (url, serving)
}

async fn play(stream: &mut TcpStream, act: Act) -> std::io::Result<()> {
    match act {
        Act::Send(bytes) => stream.write_all(&bytes).await?,
        Act::Dribble(bytes) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::task::yield_now().await;
            }
        }
        Act::Flood(bytes, times) => {
            for _ in 0..times {
                stream.write_all(&bytes).await?;
            }
        }
        Act::Drip(bytes) => loop {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        },
        Act::Stall => {
            let _ = stream.read(&mut [0]).await;
        }
    }
    Ok(())
}

async fn read_question(stream: &mut TcpStream) -> String {
    let mut asked = vec![];
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        asked.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
            return text;
        }
    }
}

fn at(url: &str) -> Provider {
    Provider {
        base_url: Url::parse(url).unwrap(),
        key: Some(Secret::new(KEY)),
        silence: Duration::from_millis(500),
        ..fixtures::provider(Kind::OpenAi)
    }
}

async fn ask_at(provider: &Provider) -> Result<Reply, ModelError> {
    let question = fixtures::question("Hello?");
    let asking = async {
        ask(&client().unwrap(), &OpenAi, provider, &question).await.map_err(|failed| failed.error)
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("ask() hangs")
}

async fn answer(acts: Vec<Act>) -> Result<Reply, ModelError> {
    let (url, _serving) = serve(acts).await;
    ask_at(&at(&url)).await
}

fn refuse(head: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    vec![send(format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}"))]
}

#[tokio::test]
async fn a_whole_answer() {
    for (base, path) in [("", "/v1/"), ("/", "/v1/"), ("/v1", "/v1/"), ("/x/v1/", "/x/v1/")] {
        let (url, asked) = serve(vec![send(SSE), send(HELLO), send(END)]).await;
        let reply = ask_at(&at(&format!("{url}{base}"))).await.unwrap();
        assert_eq!((reply.turn.text.as_str(), reply.stop), ("Grüße 👋", Stop::Done));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with(&format!("POST {path}chat/completions HTTP/1.1\r\n")), "{asked}");
        assert!(asked.contains(&format!("authorization: Bearer {KEY}\r\n")), "{asked}");
        assert!(asked.contains("\"stream\":true"), "{asked}");
    }
}

#[tokio::test]
async fn bytes_may_come_in_any_portion() {
    let frames = format!(": ping\r\n\r\n{HELLO}event: ping\ndata: {{}}\n\n:\n{END}");
    let crlf = frames.replace('\n', "\r\n").replace("\r\r", "\r");
    for frames in [frames, crlf] {
        let reply = answer(vec![send(SSE), Act::Dribble(frames.into_bytes())]).await.unwrap();
        assert_eq!(reply.turn.text, "Grüße 👋");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream() {
    let body =
        r#"{"choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
    let reply = answer(refuse("200 OK\r\ncontent-type: application/json", body)).await.unwrap();
    assert_eq!(reply.turn.text, "Hi");
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let before = answer(vec![Act::Stall]).await.unwrap_err();
    assert_eq!(before, ModelError::Unreachable("it said nothing for 0.5 seconds".into()));
    let between = answer(vec![send(SSE), send(HELLO), Act::Stall]).await.unwrap_err();
    assert_eq!(between, ModelError::BrokenOff("it said nothing for 0.5 seconds".into()));
    let refusal = "HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nhalf";
    let refusal = answer(vec![send(refusal), Act::Stall]).await.unwrap_err();
    assert!(matches!(refusal, ModelError::Unavailable { why, .. } if why == "HTTP 503: half"));
}

#[tokio::test]
async fn an_answer_without_its_end_is_none() {
    let chunked = SSE.replace("connection: close", "transfer-encoding: chunked");
    let chunk = format!("{:x}\r\n{HELLO}\r\n", HELLO.len());
    let half = format!("data: {}", &HELLO[..20]);
    for acts in [
        vec![send(SSE), send(HELLO)],
        vec![send(SSE), send(HELLO), send(half)],
        vec![send(SSE)],
        vec![send(&chunked), send(&chunk)],
        vec![send(&chunked), send(format!("{chunk}0\r\n\r\n"))],
    ] {
        let error = answer(acts).await.unwrap_err();
        assert!(matches!(error, ModelError::BrokenOff(_)), "{error:?}");
    }
    let gone = answer(vec![]).await.unwrap_err();
    assert!(matches!(gone, ModelError::Unreachable(_)), "{gone:?}");
}

#[tokio::test]
async fn what_an_answer_took_before_it_broke_off_is_known() {
    let (url, _serving) = serve(vec![send(SSE), send(HELLO), Act::Stall]).await;
    let question = fixtures::question("Hello?");
    let failed = ask(&client().unwrap(), &OpenAi, &at(&url), &question).await.unwrap_err();
    assert!(matches!(failed.error, ModelError::BrokenOff(_)));
    assert_eq!(failed.spent.bytes, "Grüße 👋".len() as u64);
}

#[tokio::test]
async fn what_is_no_utf_8_is_broken() {
    let bad = answer(vec![send(SSE), Act::Send(b"data: \xff\xfe\n\n".to_vec()), send(END)]).await;
    assert!(matches!(bad, Err(ModelError::Empty(_))), "{bad:?}");
}

#[tokio::test]
async fn floods_are_cut_off() {
    let flood = Act::Flood(HELLO.repeat(1000).into_bytes(), 1000);
    let (url, serving) = serve(vec![send(SSE), flood]).await;
    let error = ask_at(&at(&url)).await.unwrap_err();
    assert_eq!(error, ModelError::Endless);
    serving.await.unwrap();

    let frame = Act::Flood(vec![b'x'; 1024 * 1024], 50);
    let (url, _serving) = serve(vec![send(SSE), send("data: "), frame]).await;
    let mut question = fixtures::question("Hello?");
    question.max_output_tokens = 1_000_000;
    let error = ask(&client().unwrap(), &OpenAi, &at(&url), &question).await.unwrap_err().error;
    assert_eq!(error, ModelError::Endless);

    let drip = Act::Drip(b"busy ".to_vec());
    let error = answer(vec![send("HTTP/1.1 503 Busy\r\n\r\n"), drip]).await.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable { why, .. } if why.contains("busy")));

    let page = Act::Flood("<p>busy</p>".repeat(1000).into_bytes(), 5000);
    let error = answer(vec![send("HTTP/1.1 503 Busy\r\n\r\n"), page]).await.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable { why, .. } if why.len() < 1000));
}

#[tokio::test]
async fn refusals_with_each_hint() {
    let body = |text: &str| format!(r#"{{"error":{{"message":"{text}","code":429}}}}"#);
    let limited = |head: &str, text: &str| refuse(&format!("429 Too Many\r\n{head}"), &body(text));
    let details = r#"{"error":{"code":429,"details":[{"retryDelay":"37s"}]}}"#;
    for (acts, millis) in [
        (limited("retry-after-ms: 250", ""), Some(250)),
        (limited("retry-after: 3", ""), Some(3000)),
        (
            limited(
                "date: Sat, 21 Nov 2026 15:00:00 GMT\r\nretry-after: Sat, 21 Nov 2026 15:00:09 GMT",
                "",
            ),
            Some(9000),
        ),
        (limited("x: y", "Please try again in 11.054s."), Some(11_054)),
        (limited("x-ratelimit-reset-tokens: 6m0s", ""), Some(360_000)),
        (refuse("429 Too Many", details), Some(37_000)),
        (limited("x: y", "slow down"), None),
    ] {
        let error = answer(acts).await.unwrap_err();
        let ModelError::RateLimited { after, .. } = error else { panic!("{error:?}") };
        assert_eq!(after, millis.map(Duration::from_millis));
    }
}

#[tokio::test]
async fn no_error_has_a_key() {
    let says = format!(r#"{{"error":{{"message":"bad key {KEY}!","type":"x"}}}}"#);
    let refused = answer(refuse("401 No", &says)).await.unwrap_err();
    assert_eq!(refused, ModelError::Auth("HTTP 401: bad key [key]!".into()));
    let within = answer(vec![send(SSE), send(format!("data: {says}\n\n"))]).await.unwrap_err();
    assert!(
        matches!(&within, ModelError::Unavailable { why, .. } if why.contains("bad key [key]!"))
    );

    let mut local = at(&serve(refuse("401 No", "no EMPTY key")).await.0);
    local.key = Some(Secret::new("EMPTY"));
    assert_eq!(ask_at(&local).await, Err(ModelError::Auth("HTTP 401: no EMPTY key".into())));

    let path = "/api/v1/proxy/https://api.openai.com/v1/sk-other-key-0123456789";
    let echo = format!("Cannot POST {path}/chat/completions");
    let (url, _serving) = serve(refuse("404 Not Found", &echo)).await;
    let error = ask_at(&at(&format!("{url}{path}"))).await.unwrap_err().to_string();
    assert!(error.contains("Cannot POST") && !error.contains("sk-other"), "{error}");
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_named_without_the_address() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [
        format!("http://{closed}/sk-path-key-0123456789"),
        // A label that no name server is asked for: it is too long.
        format!("http://{}.invalid/sk-path-key-0123456789", "a".repeat(64)),
        format!("https://{no_tls}/sk-path-key-0123456789"),
    ] {
        let mut provider = at(&url);
        provider.silence = Duration::from_secs(30);
        let error = ask_at(&provider).await.unwrap_err();
        let ModelError::Unreachable(why) = &error else { panic!("{error:?}") };
        assert!(why.contains(": ") && !why.contains("sk-"), "{why}");
    }
}

#[tokio::test]
async fn the_key_goes_nowhere_else() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let head = format!(
        "307 Temporary Redirect\r\nlocation: http://{}/v1/chat/completions",
        elsewhere.local_addr().unwrap()
    );
    let error = answer(refuse(&head, "")).await.unwrap_err();
    assert!(matches!(error, ModelError::NotFound(why) if why.contains("redirects")));
    let nobody = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(nobody.is_err(), "somebody followed the redirect");
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let page = refuse("200 OK\r\ncontent-type: text/html; charset=utf-8", "<h1>Hi</h1>");
    let error = answer(page).await.unwrap_err();
    assert!(matches!(error, ModelError::NotFound(why) if why.contains("base URL")));
}

#[tokio::test]
async fn loopback_is_never_asked_through_a_proxy() {
    let (proxy, asked) = serve(vec![send(SSE), send(HELLO), send(END)]).await;
    let (direct, _serving) = serve(vec![send(SSE), send(HELLO), send(END)]).await;
    let set = |name: &str| (name == "HTTP_PROXY").then(|| proxy.clone());
    client().unwrap();
    let client = builder(set).build().unwrap();
    let question = fixtures::question("Hello?");
    ask(&client, &OpenAi, &at(&direct), &question).await.unwrap();
    assert!(!asked.is_finished());
    ask(&client, &OpenAi, &at("http://models.invalid/v1"), &question).await.unwrap();
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with("POST http://models.invalid/v1/chat/completions HTTP/1.1"),
        "{asked}"
    );
}

#[test]
fn paths_and_queries_are_joined() {
    let joined = |base: &str, path: &str| below(&Url::parse(base).unwrap(), path).to_string();
    assert_eq!(joined("http://h", "v1/x"), "http://h/v1/x");
    assert_eq!(joined("http://h/v1/", "/x?a=b"), "http://h/v1/x?a=b");
    assert_eq!(joined("http://h/v1?k=v", "x?a=b"), "http://h/v1/x?k=v&a=b");
    let proxy = "https://h/api/v1/proxy/https://api.openai.com/v1/KEY";
    assert_eq!(joined(proxy, "chat/completions"), format!("{proxy}/chat/completions"));
}
