//! A client that speaks each protocol as little as it can.

use std::sync::LazyLock;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::Provider;

/// One for all: making it reads the machine's certificates. Every server has a port of its own, so
/// that no two tests share a connection.
pub(crate) static HTTP: LazyLock<reqwest::Client> = LazyLock::new(testkit::http_client);

/// A request of a provider, to be changed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) provider: Provider,
    pub(crate) key: String,
    pub(crate) stream: bool,
    pub(crate) body: Value,
}

/// A tool as nobody in particular declares it.
fn schema() -> Value {
    json!({ "type": "object", "properties": { "command": { "type": "string" } } })
}

impl Ask {
    /// Says something, and offers `shell`, natively where that is possible.
    pub(crate) fn new(provider: Provider, text: &str) -> Self {
        let model = provider.model();
        let user = json!([{ "role": "user", "content": text }]);
        let function = json!({ "name": "shell", "description": "d", "parameters": schema() });
        let tools = json!([{ "type": "function", "function": function }]);
        let body = match provider {
            Provider::Alchemyst => json!({ "model": model, "messages": [
                { "role": "system", "content": "Agent.\nTools:\n- shell(command: string): runs" },
                { "role": "user", "content": text },
            ] }),
            Provider::OpenAi => json!({
                "model": model, "messages": user, "tools": tools,
                "stream_options": { "include_usage": true },
            }),
            Provider::Gemini => json!({
                "contents": [{ "role": "user", "parts": [{ "text": text }] }],
                "tools": [{ "functionDeclarations": [function] }],
            }),
            Provider::Anthropic => json!({
                "model": model, "max_tokens": 1000, "messages": user,
                "tools": [{ "name": "shell", "input_schema": schema() }],
            }),
            Provider::Ollama => json!({
                "model": model, "messages": user, "tools": tools,
                "options": { "num_ctx": 100_000 },
            }),
        };
        Self { provider, key: provider.key().into(), stream: true, body }
    }

    pub(crate) fn whole(mut self) -> Self {
        self.stream = false;
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = key.into();
        self
    }

    /// The conversation.
    pub(crate) fn turns(&mut self) -> &mut Vec<Value> {
        let name = if self.provider == Provider::Gemini { "contents" } else { "messages" };
        self.body[name].as_array_mut().expect("turns")
    }

    pub(crate) fn and(mut self, turns: Value) -> Self {
        let Value::Array(turns) = turns else { panic!("turns are a list") };
        self.turns().extend(turns);
        self
    }

    fn request(&self, server: &ScriptedModel) -> RequestBuilder {
        let base = server.url(self.provider);
        let model = self.provider.model();
        let mut body = self.body.clone();
        let path = match (self.provider, self.stream) {
            (Provider::Gemini, true) => format!("/models/{model}:streamGenerateContent?alt=sse"),
            (Provider::Gemini, false) => format!("/models/{model}:generateContent"),
            (Provider::Anthropic, _) => "/v1/messages".into(),
            (Provider::Ollama, _) => "/api/chat".into(),
            (Provider::Alchemyst | Provider::OpenAi, _) => "/chat/completions".into(),
        };
        if self.provider != Provider::Gemini {
            body["stream"] = json!(self.stream);
        }
        let request = HTTP.post(format!("{base}{path}")).json(&body);
        match self.provider {
            Provider::Gemini => request.header("x-goog-api-key", &self.key),
            Provider::Anthropic => {
                request.header("x-api-key", &self.key).header("anthropic-version", "2023-06-01")
            }
            _ => request.bearer_auth(&self.key),
        }
    }

    pub(crate) async fn send(&self, server: &ScriptedModel) -> reqwest::Result<Response> {
        self.request(server).send().await
    }

    /// The body of an answer that is one.
    pub(crate) async fn text(&self, server: &ScriptedModel) -> String {
        let response = self.send(server).await.expect("an answer");
        let (status, text) = (response.status(), response.text().await.expect("a whole body"));
        assert!(status.is_success(), "{status}: {text}");
        text
    }

    pub(crate) async fn json(&self, server: &ScriptedModel) -> Value {
        let text = self.text(server).await;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// The status and body of a refusal.
    pub(crate) async fn refusal(&self, server: &ScriptedModel) -> (u16, Value) {
        let response = self.send(server).await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// The frames of a streamed answer: the event's name, and the data.
    pub(crate) async fn frames(&self, server: &ScriptedModel) -> Vec<(String, Value)> {
        frames(&self.text(server).await)
    }

    /// What was said in the end: the text, and the calls as `(tool, arguments)`.
    pub(crate) async fn said(&self, server: &ScriptedModel) -> (String, Vec<(String, String)>) {
        said(self.provider, &self.frames(server).await)
    }
}

/// Server-sent events or lines, whatever they end in. `[DONE]` is a string.
pub(crate) fn frames(text: &str) -> Vec<(String, Value)> {
    let mut event = String::new();
    let mut frames = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("event: ") {
            event = name.into();
        } else if let Some(data) =
            line.strip_prefix("data: ").or(line.starts_with('{').then_some(line))
        {
            let data = serde_json::from_str(data).unwrap_or_else(|_| Value::from(data));
            frames.push((std::mem::take(&mut event), data));
        }
    }
    frames
}

fn said(provider: Provider, frames: &[(String, Value)]) -> (String, Vec<(String, String)>) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for (_, data) in frames {
        match provider {
            Provider::OpenAi | Provider::Alchemyst => chat(data, &mut text, &mut calls),
            Provider::Gemini => {
                let parts = data["candidates"][0]["content"]["parts"].as_array();
                for part in parts.into_iter().flatten() {
                    text += part["text"].as_str().unwrap_or_default();
                    if let Some(name) = part["functionCall"]["name"].as_str() {
                        calls.push((name.into(), part["functionCall"]["args"].to_string()));
                    }
                }
            }
            Provider::Anthropic => {
                if let Some(name) = data["content_block"]["name"].as_str() {
                    calls.push((name.into(), String::new()));
                }
                text += data["delta"]["text"].as_str().unwrap_or_default();
                if let Some(piece) = data["delta"]["partial_json"].as_str() {
                    calls.last_mut().expect("a call").1 += piece;
                }
            }
            Provider::Ollama => {
                text += data["message"]["content"].as_str().unwrap_or_default();
                for call in data["message"]["tool_calls"].as_array().into_iter().flatten() {
                    let function = &call["function"];
                    let name = function["name"].as_str().expect("a name");
                    calls.push((name.into(), function["arguments"].to_string()));
                }
            }
        }
    }
    (text, calls)
}

fn chat(data: &Value, text: &mut String, calls: &mut Vec<(String, String)>) {
    let delta = &data["choices"][0]["delta"];
    *text += delta["content"].as_str().unwrap_or_default();
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let index = call["index"].as_u64().expect("an index");
        let index = usize::try_from(index).expect("a small index");
        if index == calls.len() {
            calls.push((call["function"]["name"].as_str().expect("a name").into(), String::new()));
        }
        calls[index].1 += call["function"]["arguments"].as_str().unwrap_or_default();
    }
}
