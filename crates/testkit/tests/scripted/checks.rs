//! What is wrong with a request is found, refused as its provider would, and complained of.

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Provider, Reply, Scenario};

use crate::client::Ask;

async fn server() -> ScriptedModel {
    let call = Reply { thoughts: "Hm.".into(), ..Reply::call("shell", json!({ "command": "ls" })) };
    let scenario = json!({ "models": { "openai": ["gpt-scripted"] } }).to_string();
    let scenario = Scenario {
        replies: vec![call, Reply::text("done")],
        ..Scenario::parse(&scenario).expect("a scenario")
    };
    ScriptedModel::start(scenario).await
}

/// The words of a refusal with 400, which are complained of too.
async fn flaw(ask: Ask) -> String {
    let server = server().await;
    let (status, body) = ask.refusal(&server).await;
    assert_eq!(status, 400, "{body}");
    let message = body["error"]["message"].as_str().or(body["error"].as_str());
    let message = message.unwrap_or_else(|| panic!("{body}")).to_owned();
    assert!(server.complaints()[0].ends_with(&message), "{:?}", server.complaints());
    assert_eq!(server.counters().refused, 1);
    message
}

#[tokio::test]
async fn keys_are_looked_at() {
    for (provider, wrong, missing) in [
        (Provider::OpenAi, (401, "Incorrect API key"), (401, "didn't provide an API key")),
        (Provider::Alchemyst, (401, "Invalid API key"), (401, "Invalid API key")),
        (Provider::Gemini, (400, "API_KEY_INVALID"), (403, "unregistered callers")),
        (Provider::Anthropic, (401, "invalid x-api-key"), (401, "x-api-key header is required")),
    ] {
        let server = server().await;
        for (key, (status, words)) in [("wrong", wrong), ("", missing)] {
            let (got, body) = Ask::new(provider, "x").key(key).refusal(&server).await;
            assert_eq!(got, status, "{provider:?}");
            assert!(body.to_string().contains(words), "{provider:?}: {body}");
        }
        assert_eq!(server.complaints().len(), 2);
    }
}

#[tokio::test]
async fn several_keys_may_be_right() {
    let scenario = Scenario::parse(
        r#"{ "keys": { "gemini": ["a", "b"] }, "rules": [
        { "when": { "key": "b" }, "reply": { "text": "to b" } }
    ], "replies": [{ "text": "to a" }] }"#,
    );
    let server = ScriptedModel::start(scenario.unwrap()).await;
    let ask = |key| Ask::new(Provider::Gemini, "x").key(key);
    assert_eq!(ask("b").said(&server).await.0, "to b");
    assert_eq!(ask("a").said(&server).await.0, "to a");
    assert_eq!(ask(Provider::Gemini.key()).refusal(&server).await.0, 400);
}

#[tokio::test]
async fn models_are_known_or_not() {
    let mut ask = Ask::new(Provider::OpenAi, "x");
    ask.body["model"] = json!("gpt-none");
    let server = server().await;
    let (status, body) = ask.refusal(&server).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("model_not_found")));
}

/// A call as each provider has it in a conversation, and its result; both can be changed.
fn turns(provider: Provider) -> Value {
    let picture = "iVBORw0KGgo=";
    match provider {
        Provider::OpenAi => json!([
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function",
                  "function": { "name": "shell", "arguments": "{\"command\":\"ls\"}" } } ] },
            { "role": "tool", "tool_call_id": "c1", "content": "a file" },
        ]),
        Provider::Anthropic => json!([
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "c1", "name": "shell", "input": { "command": "ls" } } ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c1", "content": [
                    { "type": "text", "text": "a file" },
                    { "type": "image", "source": {
                        "type": "base64", "media_type": "image/png", "data": picture } } ] } ] },
        ]),
        Provider::Gemini => json!([
            { "role": "model", "parts": [
                { "functionCall": { "name": "shell", "args": { "command": "ls" } },
                  "thoughtSignature": "skip_thought_signature_validator" } ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "shell", "response": { "output": "a file" } } } ] },
        ]),
        Provider::Ollama => json!([
            { "role": "assistant", "content": "", "tool_calls": [
                { "function": { "name": "shell", "arguments": { "command": "ls" } } } ] },
            { "role": "tool", "tool_name": "shell", "content": "a file" },
        ]),
        Provider::Alchemyst => json!([
            { "role": "assistant", "content": "a block" },
            { "role": "user", "content": "a file" },
        ]),
    }
}

fn conversation(provider: Provider) -> Ask {
    Ask::new(provider, "list").and(turns(provider))
}

#[tokio::test]
async fn a_right_conversation_is_read_whole() {
    for provider in Provider::ALL {
        let server = server().await;
        conversation(provider).text(&server).await;
        assert_eq!(server.complaints(), [""; 0], "{provider:?}");
        let seen = &server.requests()[0];
        assert_eq!((seen.messages.len(), seen.turns()), (3, 1), "{provider:?}");
        assert!(seen.last().contains("a file"), "{provider:?}: {}", seen.last());
        if provider != Provider::Alchemyst {
            let call = &seen.messages[1].calls[0].call;
            assert_eq!(
                (call.tool.as_str(), &call.arguments),
                ("shell", &json!({ "command": "ls" }))
            );
        }
    }
}

/// The conversation with one value changed.
fn changed(provider: Provider, pointer: &str, value: Value) -> Ask {
    let mut ask = conversation(provider);
    let name = if provider == Provider::Gemini { "/contents" } else { "/messages" };
    let place = ask.body.pointer_mut(&format!("{name}{pointer}"));
    *place.unwrap_or_else(|| panic!("{pointer}")) = value;
    ask
}

#[tokio::test]
async fn calls_must_be_answered_right_after() {
    for (provider, words) in [
        (Provider::OpenAi, "tool_call_ids did not have response messages: c1"),
        (Provider::Anthropic, "`tool_use` ids were found without `tool_result` blocks"),
        (Provider::Gemini, "function response turn comes immediately after"),
    ] {
        let mut ask = conversation(provider);
        ask.turns().pop();
        let flaw = flaw(ask).await;
        assert!(flaw.contains(words), "{provider:?}: {flaw}");
    }
    let gemini = changed(Provider::Gemini, "/2/parts", json!([{ "text": "and?" }]));
    assert!(flaw(gemini).await.contains("number of function response parts"));
}

#[tokio::test]
async fn results_must_answer_a_call_and_once() {
    for (ask, words) in [
        (changed(Provider::OpenAi, "/2/tool_call_id", json!("c9")), "did not have response"),
        (
            changed(Provider::Anthropic, "/2/content/0/tool_use_id", json!("c9")),
            "without `tool_result`",
        ),
        (
            changed(Provider::Gemini, "/2/parts/0/functionResponse/name", json!("other")),
            "answers no",
        ),
        (changed(Provider::Ollama, "/2/tool_name", json!("other")), "not those of the calls"),
    ] {
        let flaw = flaw(ask).await;
        assert!(flaw.contains(words), "{flaw}");
    }
    let twice = conversation(Provider::OpenAi)
        .and(json!([{ "role": "tool", "tool_call_id": "c1", "content": "again" }]));
    assert!(flaw(twice).await.contains("Duplicate"));
    let mut stray = Ask::new(Provider::Anthropic, "x");
    stray.body["messages"] = json!([{ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "c1", "content": "x" }] }]);
    assert!(flaw(stray).await.contains("unexpected `tool_use_id`"));
}

#[tokio::test]
async fn arguments_have_their_providers_form() {
    for (ask, words) in [
        (
            changed(Provider::OpenAi, "/1/tool_calls/0/function/arguments", json!({})),
            "expected a string",
        ),
        (changed(Provider::Anthropic, "/1/content/0/input", json!("{}")), "valid dictionary"),
        (changed(Provider::Gemini, "/1/parts/0/functionCall/args", json!("{}")), "not a Struct"),
        (
            changed(Provider::Ollama, "/1/tool_calls/0/function/arguments", json!("{}")),
            "cannot unmarshal",
        ),
    ] {
        let flaw = flaw(ask).await;
        assert!(flaw.contains(words), "{flaw}");
    }
}

#[tokio::test]
async fn roles_alternate() {
    for provider in [Provider::Anthropic, Provider::Gemini] {
        let again = Ask::new(provider, "again").turns().clone();
        let flaw = flaw(Ask::new(provider, "x").and(Value::Array(again))).await;
        assert!(flaw.contains("alternate"), "{provider:?}: {flaw}");
    }
}

#[tokio::test]
async fn alchemyst_drops_silently_and_we_complain() {
    let server = server().await;
    let ask = Ask::new(Provider::Alchemyst, "same");
    let mut ask = ask.and(json!([{ "role": "user", "content": "same" }]));
    ask.body["tools"] = json!([{ "type": "function", "function": { "name": "shell" } }]);
    ask.text(&server).await;
    let complaints = server.complaints().join("\n");
    for words in ["`tools` is not documented", "same role", "word for word"] {
        assert!(complaints.contains(words), "{words}: {complaints}");
    }
}

#[tokio::test]
async fn signatures_come_back_as_they_were() {
    let signature = "/1/parts/0/thoughtSignature";
    assert!(
        flaw(changed(Provider::Gemini, signature, Value::Null)).await.contains("missing a thought")
    );
    assert_eq!(
        flaw(changed(Provider::Gemini, signature, json!("x"))).await,
        "Corrupted thought signature."
    );

    let server = server().await;
    let frames = Ask::new(Provider::Gemini, "list").frames(&server).await;
    let parts = &frames.last().unwrap().1["candidates"][0]["content"]["parts"];
    changed(Provider::Gemini, signature, parts[0]["thoughtSignature"].clone()).text(&server).await;
    assert_eq!(server.complaints(), [""; 0]);
}

#[tokio::test]
async fn old_turns_need_no_signature() {
    let old = changed(Provider::Gemini, "/1/parts/0/thoughtSignature", Value::Null)
        .and(json!([{ "role": "model", "parts": [{ "text": "there" }] },
                    { "role": "user", "parts": [{ "text": "now this" }] }]));
    let server = server().await;
    old.text(&server).await;
}

#[tokio::test]
async fn thinking_comes_back_as_it_was() {
    let server = server().await;
    let body = Ask::new(Provider::Anthropic, "list").whole().json(&server).await;
    let thinking = body["content"][0].clone();
    assert_eq!(thinking["type"], "thinking");
    let with = |thinking: Value| {
        let mut ask = conversation(Provider::Anthropic);
        ask.body["messages"][1]["content"].as_array_mut().unwrap().insert(0, thinking);
        ask
    };
    with(thinking.clone()).text(&server).await;
    let mut other = thinking;
    other["thinking"] = json!("Hm!");
    assert!(flaw(with(other)).await.contains("Invalid `signature` in `thinking` block"));
}

#[tokio::test]
async fn pictures_are_pictures_and_only_where_they_may_be() {
    let source = "/2/content/0/content/1/source";
    let data = format!("{source}/data");
    assert!(
        flaw(changed(Provider::Anthropic, &data, json!("%%"))).await.contains("not valid base64")
    );
    assert!(flaw(changed(Provider::Anthropic, &data, json!("aGk="))).await.contains("neither PNG"));
    let kind = format!("{source}/media_type");
    let flawed = changed(Provider::Anthropic, &kind, json!("image/jpeg"));
    assert!(flaw(flawed).await.contains("appears to be image/png"));
    let content = json!([{ "type": "image_url",
                           "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } }]);
    assert!(flaw(changed(Provider::OpenAi, "/2/content", content)).await.contains("role 'tool'"));
}
