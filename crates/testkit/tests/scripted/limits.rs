//! Requests that are too long.

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Provider, Reply, Scenario};

use crate::client::Ask;

/// A server where this provider takes 500 tokens.
async fn server(provider: Provider, form: &str) -> ScriptedModel {
    let scenario = json!({ "limits": { provider.as_str(): {
        "tokens": 500, "bytes_per_token": 2, "overflow": form,
    } } });
    let mut scenario = Scenario::parse(&scenario.to_string()).expect("a scenario");
    scenario.replies = vec![Reply { repeat: 9, ..Reply::text("fine: {{line_with:needle}}") }];
    ScriptedModel::start(scenario).await
}

fn long(provider: Provider) -> Ask {
    Ask::new(provider, &format!("needle {}", "x".repeat(2000)))
}

#[tokio::test]
async fn every_form_of_refusal_is_said() {
    for (provider, form, words) in [
        (Provider::OpenAi, "native", "context_length_exceeded"),
        (Provider::OpenAi, "responses", "exceeds the context window of this model"),
        (Provider::OpenAi, "llama_cpp", "\"type\":\"exceed_context_size_error\""),
        (Provider::OpenAi, "vllm", "maximum context length is 500 tokens"),
        (Provider::OpenAi, "prompt_length", "maximum prompt length is 500"),
        (Provider::OpenAi, "reduce", "reduce the length of"),
        (Provider::OpenAi, "longer", "longer than the model's context length"),
        (Provider::OpenAi, "too_large", "too large for model with 500"),
        (Provider::OpenAi, "token_limit", "exceeded model token limit: 500"),
        (Provider::OpenAi, "range", "Range of input length should be [1, 500]"),
        (Provider::Alchemyst, "native", "maximum context length is 500"),
        (Provider::Gemini, "native", "exceeds the maximum number of tokens allowed (500)"),
        (Provider::Anthropic, "native", "> 500 maximum"),
        (Provider::Anthropic, "anthropic_max_tokens", "input length and `max_tokens` exceed"),
        (Provider::Ollama, "ollama", "prompt too long; exceeded max context length by"),
    ] {
        let server = server(provider, form).await;
        let (status, body) = long(provider).refusal(&server).await;
        assert_eq!(status, 400, "{form}");
        assert!(body.to_string().contains(words), "{form}: {body}");
        assert_eq!(server.counters().overflows, 1);
        assert!(server.counters().max_tokens > 1000, "{:?}", server.counters());
        assert_eq!(server.complaints(), [""; 0], "an overflow is to be expected");
    }
    let server = server(Provider::OpenAi, "status413").await;
    assert_eq!(long(Provider::OpenAi).refusal(&server).await.0, 413);
}

#[tokio::test]
async fn llama_cpp_says_its_figures() {
    let server = server(Provider::OpenAi, "llama_cpp").await;
    let (_, body) = long(Provider::OpenAi).refusal(&server).await;
    assert_eq!((&body["error"]["code"], &body["error"]["n_ctx"]), (&json!(400), &json!(500)));
    assert!(body["error"]["n_prompt_tokens"].as_u64().unwrap() > 500);
}

#[tokio::test]
async fn the_answers_tokens_count_where_they_do() {
    let server = server(Provider::OpenAi, "vllm").await;
    let mut ask = Ask::new(Provider::OpenAi, "short");
    ask.text(&server).await;
    ask.body["max_tokens"] = json!(499);
    assert_eq!(ask.refusal(&server).await.0, 400);
}

#[tokio::test]
async fn silent_forms_are_answers() {
    let stop = |form, provider, words: &'static str| async move {
        let text = long(provider).text(&server(provider, form).await).await;
        assert!(text.contains(words) && !text.contains("fine"), "{form}: {text}");
    };
    stop("length", Provider::OpenAi, "\"finish_reason\":\"length\"").await;
    stop("anthropic_stop", Provider::Anthropic, "model_context_window_exceeded").await;
    let server = server(Provider::OpenAi, "usage").await;
    let body = long(Provider::OpenAi).whole().json(&server).await;
    assert!(body["usage"]["prompt_tokens"].as_u64().unwrap() > 500, "{body}");
}

/// The head is really gone: the model does not know it, and the count says so.
#[tokio::test]
async fn ollama_cuts_the_head_off() {
    let server = server(Provider::Ollama, "native").await;
    let ask = Ask::new(Provider::Ollama, "needle: 7").and(json!([
        { "role": "assistant", "content": "hm" }, { "role": "user", "content": "and?" },
    ]));
    let said = |body: &Value| body["message"]["content"].as_str().unwrap().to_owned();
    let body = ask.clone().whole().json(&server).await;
    assert_eq!(said(&body), "fine: needle: 7");
    let ask = ask.and(json!([
        { "role": "assistant", "content": "x".repeat(2000) }, { "role": "user", "content": "now?" },
    ]));
    let body = ask.clone().whole().json(&server).await;
    assert_eq!(said(&body), "fine: ");
    assert!(body["prompt_eval_count"].as_u64().unwrap() <= 500, "{body}");

    let mut small = ask;
    small.body["options"]["num_ctx"] = json!(100);
    let body = small.whole().json(&server).await;
    assert!(body["prompt_eval_count"].as_u64().unwrap() <= 100, "{body}");
    assert_eq!(server.counters().overflows, 2);
    assert_eq!(server.requests()[1].messages.len(), 5, "what was sent is recorded whole");
}

#[tokio::test]
async fn a_picture_counts_as_one() {
    let server = server(Provider::Gemini, "native").await;
    let mut ask = Ask::new(Provider::Gemini, "look");
    let png = format!("iVBORw0KGgo{}", "A".repeat(4001));
    let part = json!({ "inlineData": { "mimeType": "image/png", "data": png } });
    ask.body["contents"][0]["parts"].as_array_mut().unwrap().push(part);
    ask.refusal(&server).await;
    let tokens = server.requests()[0].tokens;
    assert!((1000..1300).contains(&tokens), "{tokens}");
}
