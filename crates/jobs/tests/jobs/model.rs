//! A model on loopback, in Ollama's dialect: it answers as soon as it may, and counts.

use std::sync::Arc;
use std::time::Duration;

use models::{Kind, Models, Price, Provider, ToolMode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::support::PATIENCE;

/// What each answer takes.
pub(crate) const INPUT_TOKENS: u64 = 100;
pub(crate) const OUTPUT_TOKENS: u64 = 10;

pub(crate) struct FakeModel {
    pub(crate) models: Arc<Models>,
    /// How many tokens each of its answers might have had.
    asked: watch::Receiver<Vec<u64>>,
    /// Whether it answers; questions wait until it does.
    pub(crate) answers: watch::Sender<bool>,
    _server: AbortOnDropHandle<()>,
}

impl FakeModel {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = provider(&format!("http://{address}"));
        let (asked, answers) = (watch::Sender::new(vec![]), watch::Sender::new(true));
        let server = tokio::spawn(serve(listener, asked.clone(), answers.subscribe()));
        Self {
            models: Arc::new(Models::new(vec![provider])),
            asked: asked.subscribe(),
            answers,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.borrow().len() as u64
    }

    /// How many tokens its last answer might have had.
    pub(crate) fn last_wanted(&self) -> u64 {
        *self.asked.borrow().last().unwrap()
    }

    pub(crate) async fn until_asked(&self, times: u64) {
        let mut asked = self.asked.clone();
        let seen = asked.wait_for(|asked| asked.len() as u64 >= times);
        tokio::time::timeout(PATIENCE, seen).await.expect("it is asked").unwrap();
    }
}

/// One whose question and answer cost 0.02 dollars.
pub(crate) fn provider(base_url: &str) -> Provider {
    Provider {
        kind: Kind::Ollama,
        key: None,
        base_url: base_url.parse().unwrap(),
        model: "llama".into(),
        window_tokens: 32_000,
        images: false,
        tools: ToolMode::Native,
        price: Some(Price { input: 100.0, cached: 100.0, output: 1000.0 }),
        silence: PATIENCE,
    }
}

async fn serve(
    listener: TcpListener,
    asked: watch::Sender<Vec<u64>>,
    answers: watch::Receiver<bool>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (asked, answers) = (asked.clone(), answers.clone());
        tokio::spawn(async move {
            // Whoever asks may leave.
            drop(answer(stream, asked, answers).await);
        });
    }
}

async fn answer(
    stream: TcpStream,
    asked: watch::Sender<Vec<u64>>,
    mut answers: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut bytes) = (String::new(), 0);
    while stream.read_line(&mut line).await? > 2 {
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            bytes = length.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut question = vec![0; bytes];
    stream.read_exact(&mut question).await?;
    let question: serde_json::Value = serde_json::from_slice(&question).unwrap();
    let wanted = question["options"]["num_predict"].as_u64().unwrap();
    asked.send_modify(|asked| asked.push(wanted));
    drop(answers.wait_for(|answers| *answers).await);
    let said = r#"{"model":"llama","message":{"role":"assistant","content":"hello"},"done":false}"#;
    let done = format!(
        r#"{{"model":"llama","message":{{"role":"assistant","content":""}},"done":true,"done_reason":"stop","prompt_eval_count":{INPUT_TOKENS},"eval_count":{OUTPUT_TOKENS}}}"#
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{said}\n{done}\n").as_bytes()).await?;
    stream.shutdown().await?;
    // Until the other side has read it all.
    let rest = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 1])).await;
    drop(rest);
    Ok(())
}
