//! The happy path of each protocol, compared with what was recorded of the real ones.

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Provider, Reply, Scenario, Usage};

use crate::client::{Ask, HTTP};

fn reply() -> Reply {
    let usage = Usage { input: 193, cached: 20, output: 37, thoughts: 100 };
    let reply = Reply::text("Ich prüfe es.")
        .and_call("shell", json!({ "command": "echo a long enough command — €" }))
        .and_call("shell", json!({ "command": "ls" }));
    Reply { usage: Some(usage), ..reply }
}

async fn server() -> ScriptedModel {
    ScriptedModel::start(Scenario::of([reply()])).await
}

#[tokio::test]
async fn every_provider_says_the_same_in_its_own_way() {
    for provider in Provider::ALL {
        let server = server().await;
        let (text, calls) = Ask::new(provider, "check it").said(&server).await;
        if provider == Provider::Alchemyst {
            assert_eq!(calls, []);
            assert!(text.starts_with("Ich prüfe es.\n```json\n{\"tool\": \"shell\", "), "{text}");
        } else {
            assert_eq!(text, "Ich prüfe es.", "{provider:?}");
            let calls: Vec<(&str, Value)> = calls
                .iter()
                .map(|(tool, json)| (tool.as_str(), serde_json::from_str(json).expect("JSON")))
                .collect();
            let wanted = reply().calls;
            let wanted: Vec<_> =
                wanted.iter().map(|c| (c.tool.as_str(), c.arguments.clone())).collect();
            assert_eq!(calls, wanted, "{provider:?}");
        }
        assert_eq!(server.complaints(), [""; 0]);
        let seen = &server.requests()[0];
        assert_eq!((seen.task(), seen.stream), ("check it", true));
        assert_eq!(seen.tools, ["shell"]);
        assert_eq!(seen.key, provider.key());
    }
}

#[tokio::test]
async fn openai_streams_arguments_in_fragments_and_usage_last() {
    let server = server().await;
    let text = Ask::new(Provider::OpenAi, "x").text(&server).await;
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let frames = crate::client::frames(&text);
    let data: Vec<&Value> = frames.iter().map(|(_, data)| data).collect();
    assert_eq!(data[0]["object"], "chat.completion.chunk");
    assert_eq!(data[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(data[0]["usage"], Value::Null);
    let calls: Vec<&Value> = data
        .iter()
        .map(|d| &d["choices"][0]["delta"]["tool_calls"][0])
        .filter(|c| !c.is_null())
        .collect();
    assert_eq!(
        calls[0],
        &json!({ "index": 0, "id": "call_1001_1", "type": "function",
                 "function": { "name": "shell", "arguments": "" } })
    );
    assert!(calls.len() > 4, "fragments: {calls:?}");
    assert!(calls[1].get("id").is_none() && calls[1]["function"].get("name").is_none());
    let [.., finish, usage, _done] = data.as_slice() else { panic!("{data:?}") };
    assert_eq!(finish["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 193);
    assert_eq!(usage["usage"]["completion_tokens"], 137);
    assert_eq!(usage["usage"]["prompt_tokens_details"]["cached_tokens"], 20);
    assert_eq!(usage["usage"]["completion_tokens_details"]["reasoning_tokens"], 100);
}

#[tokio::test]
async fn openai_says_nothing_of_usage_unless_it_is_asked() {
    let server = server().await;
    let mut ask = Ask::new(Provider::OpenAi, "x");
    ask.body["stream_options"] = Value::Null;
    assert!(!ask.text(&server).await.contains("usage"));
}

#[tokio::test]
async fn gemini_ends_frames_in_crlf_and_the_stream_in_nothing() {
    let server = server().await;
    let response = Ask::new(Provider::Gemini, "x").send(&server).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    assert!(text.ends_with("}\r\n\r\n") && !text.contains("[DONE]"), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let frames = crate::client::frames(&text);
    let last = &frames.last().unwrap().1;
    let candidate = &last["candidates"][0];
    assert_eq!(candidate["finishReason"], "STOP");
    assert_eq!(candidate["finishMessage"], "Model generated function call(s).");
    let parts = candidate["content"]["parts"].as_array().unwrap();
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1].get("thoughtSignature").is_none());
    assert!(parts[0]["functionCall"].get("id").is_none());
    let usage = &last["usageMetadata"];
    let counts =
        ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"];
    assert_eq!(counts.map(|name| usage[name].as_u64().unwrap()), [193, 37, 100, 330]);
    assert_eq!(usage["cachedContentTokenCount"], 20);
}

#[tokio::test]
async fn anthropic_names_its_events_and_counts_usage_up() {
    let server = server().await;
    let frames = Ask::new(Provider::Anthropic, "x").frames(&server).await;
    let mut names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert!(frames.iter().all(|(name, data)| data["type"] == name.as_str()));
    let start = &frames[0].1["message"];
    assert_eq!(start["usage"]["input_tokens"], 173, "without what came from the cache");
    assert_eq!(start["usage"]["cache_read_input_tokens"], 20);
    assert_eq!(start["usage"]["output_tokens"], 1);
    let call = frames.iter().find(|(_, d)| d["content_block"]["type"] == "tool_use").unwrap();
    assert_eq!(
        call.1["content_block"],
        json!({ "type": "tool_use", "id": "toolu_1001_1", "name": "shell", "input": {} })
    );
    let end = &frames[frames.len() - 2].1;
    assert_eq!(end["delta"], json!({ "stop_reason": "tool_use", "stop_sequence": null }));
    assert_eq!(end["usage"]["output_tokens"], 137);
}

#[tokio::test]
async fn ollama_writes_lines_and_counts_in_the_last() {
    let server = server().await;
    let response = Ask::new(Provider::Ollama, "x").send(&server).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let [.., calls, last] = lines.as_slice() else { panic!("{text}") };
    assert_eq!(
        calls["message"]["tool_calls"][1],
        json!({ "function": { "name": "shell", "arguments": { "command": "ls" } } })
    );
    assert_eq!((&calls["done"], &last["done"]), (&json!(false), &json!(true)));
    assert_eq!(last["done_reason"], "stop");
    assert_eq!((&last["prompt_eval_count"], &last["eval_count"]), (&json!(193), &json!(137)));
}

#[tokio::test]
async fn answers_in_one_piece_are_whole() {
    for provider in Provider::ALL {
        let server = server().await;
        let body = Ask::new(provider, "x").whole().json(&server).await;
        let (call, usage) = match provider {
            Provider::Alchemyst => {
                let text = body["choices"][0]["message"]["content"].as_str().unwrap();
                assert!(text.contains("\"tool\": \"shell\""), "{text}");
                continue;
            }
            Provider::OpenAi => {
                let call = &body["choices"][0]["message"]["tool_calls"][1]["function"];
                assert_eq!(call["arguments"], "{\"command\":\"ls\"}");
                (&call["name"], &body["usage"]["total_tokens"])
            }
            Provider::Gemini => {
                let parts = &body["candidates"][0]["content"]["parts"];
                (&parts[2]["functionCall"]["name"], &body["usageMetadata"]["totalTokenCount"])
            }
            Provider::Anthropic => (&body["content"][2]["name"], &body["usage"]["input_tokens"]),
            Provider::Ollama => {
                (&body["message"]["tool_calls"][1]["function"]["name"], &body["eval_count"])
            }
        };
        assert_eq!(call, "shell", "{body}");
        let total = if provider == Provider::Anthropic { 173 } else { 330 };
        let total = if provider == Provider::Ollama { 137 } else { total };
        assert_eq!(usage, total, "{body}");
    }
}

#[tokio::test]
async fn ollama_tells_of_itself() {
    let server = server().await;
    let base = server.url(Provider::Ollama);
    let get = async |path| HTTP.get(format!("{base}{path}")).send().await.unwrap();
    let json = async |path| get(path).await.json::<Value>().await.unwrap();
    assert!(json("/api/version").await["version"].is_string());
    assert_eq!(json("/api/tags").await["models"][0]["name"], Provider::Ollama.model());
    let report = json("/scripted").await;
    assert_eq!(report["counters"]["requests"], 0);
    assert_eq!(get("/nowhere").await.status(), 404);
    assert_eq!(server.complaints(), ["nobody has the path GET /nowhere"]);
}

#[tokio::test]
async fn thoughts_are_shown_where_they_are() {
    let thinking = Reply { thoughts: "Hm, let me see.".into(), ..Reply::text("Yes.") };
    let server = ScriptedModel::start(Scenario::of([Reply { repeat: 9, ..thinking }])).await;
    for (provider, field) in [
        (Provider::OpenAi, "reasoning_content"),
        (Provider::Gemini, "\"thought\":true"),
        (Provider::Anthropic, "signature_delta"),
        (Provider::Ollama, "\"thinking\":\"Hm"),
    ] {
        let text = Ask::new(provider, "x").text(&server).await;
        assert!(text.contains(field), "{provider:?}: {text}");
    }
}
