//! Each fault can be seen by a client, and what is due comes after it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::ScriptedModel;
use testkit::scripted::{Bad, Fault, Hint, Provider, Reply, Scenario};

use crate::client::{Ask, frames};

fn call() -> Reply {
    Reply::text("Grüße aus der Küche, sagt der Koch €€€")
        .and_call("shell", json!({ "command": "ls -la" }))
}

/// A server where this goes wrong once.
async fn server(fault: Fault) -> ScriptedModel {
    ScriptedModel::start(Scenario::of([call().but(1, fault), Reply::text("next")])).await
}

/// What comes of the fault, streamed; after it, what was due comes as if nothing had been.
async fn seen(provider: Provider, fault: Fault) -> String {
    let server = server(fault).await;
    let text = Ask::new(provider, "x").text(&server).await;
    assert_ne!(Ask::new(provider, "x").said(&server).await.0, "next", "the reply is still due");
    assert_eq!(server.counters().faults, 1);
    text
}

async fn refused(provider: Provider, fault: Fault) -> (u16, Value, reqwest::header::HeaderMap) {
    let server = server(fault).await;
    let response = Ask::new(provider, "x").send(&server).await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.json().await.unwrap_or_default();
    assert_ne!(Ask::new(provider, "x").said(&server).await.0, "next", "the reply is still due");
    (status, body, headers)
}

#[tokio::test]
async fn rate_limits_hint_in_every_form() {
    let limit = |hint| Fault::RateLimit { hint, after_ms: 11_054 };
    let (status, body, headers) = refused(Provider::OpenAi, limit(Hint::Seconds)).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"12".parse().unwrap()));
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    let (_, _, headers) = refused(Provider::Anthropic, limit(Hint::Date)).await;
    assert!(headers["retry-after"].to_str().unwrap().ends_with(" GMT"), "{headers:?}");
    let (_, _, headers) = refused(Provider::OpenAi, limit(Hint::Ms)).await;
    assert_eq!(headers["retry-after-ms"], "11054");
    let (_, _, headers) = refused(Provider::OpenAi, limit(Hint::Reset)).await;
    assert_eq!(headers["x-ratelimit-reset-requests"], "11.054s");
    let (_, body, headers) = refused(Provider::Anthropic, limit(Hint::Reset)).await;
    assert!(headers["anthropic-ratelimit-requests-reset"].to_str().unwrap().ends_with('Z'));
    assert_eq!(body["error"]["type"], "rate_limit_error");
    let (_, body, _) = refused(Provider::Gemini, limit(Hint::RetryInfo)).await;
    assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(body["error"]["details"][1]["retryDelay"], "11.054s");
    assert!(
        body["error"]["details"][0]["violations"][0]["quotaId"]
            .as_str()
            .unwrap()
            .contains("PerMinute")
    );
    let (_, body, headers) = refused(Provider::OpenAi, limit(Hint::Text)).await;
    assert!(body["error"]["message"].as_str().unwrap().contains("try again in 11.054s"), "{body}");
    assert!(!headers.contains_key("retry-after"));
}

#[tokio::test]
async fn quota_is_gone_as_each_provider_says_it() {
    for (provider, status, words) in [
        (Provider::OpenAi, 429, "insufficient_quota"),
        (Provider::Gemini, 429, "GenerateRequestsPerDay"),
        (Provider::Anthropic, 400, "credit balance is too low"),
        (Provider::Alchemyst, 402, "Insufficient credits"),
        (Provider::Ollama, 402, "usage limit"),
    ] {
        let (got, body, _) = refused(provider, Fault::Quota).await;
        assert_eq!(got, status, "{provider:?}");
        assert!(body.to_string().contains(words), "{provider:?}: {body}");
    }
}

#[tokio::test]
async fn each_status_has_each_providers_body() {
    for status in [400, 401, 402, 403, 404, 408, 413, 500, 503, 504, 529] {
        for provider in Provider::ALL {
            let fault = Fault::Status { status, message: None };
            let (got, body, _) = refused(provider, fault).await;
            assert_eq!(got, status, "{provider:?}");
            assert!(!body["error"].is_null(), "{provider:?}: {body}");
        }
    }
    let status = |status| Fault::Status { status, message: None };
    let (_, body, _) = refused(Provider::Anthropic, status(529)).await;
    assert_eq!(body["error"]["type"], "overloaded_error");
    let (_, body, _) = refused(Provider::Gemini, status(503)).await;
    assert_eq!(body["error"]["status"], "UNAVAILABLE");
    let (got, body, headers) = refused(Provider::OpenAi, status(502)).await;
    assert_eq!(
        (got, body, &headers["content-type"]),
        (502, Value::Null, &"text/html".parse().unwrap())
    );
}

#[tokio::test]
async fn connections_end_before_a_byte() {
    for (fault, reset) in [(Fault::Reset, true), (Fault::Close, false)] {
        let server = server(fault).await;
        let error = Ask::new(Provider::OpenAi, "x").send(&server).await.unwrap_err();
        let said = format!("{error:?}");
        assert_eq!(said.contains("ConnectionReset"), reset, "{said}");
        assert_ne!(Ask::new(Provider::OpenAi, "x").said(&server).await.0, "");
    }
}

#[tokio::test]
async fn nobody_listens_where_a_provider_is_down() {
    let scenario = Scenario { down: vec![Provider::Gemini], ..Scenario::of([call()]) };
    let server = ScriptedModel::start(scenario).await;
    let error = Ask::new(Provider::Gemini, "x").send(&server).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_ne!(Ask::new(Provider::OpenAi, "x").said(&server).await.0, "");
}

/// Nothing else can be seen of something that never comes.
const NOTHING: Duration = Duration::from_millis(200);

#[tokio::test]
async fn headers_stall_and_streams_stall() {
    let stalled = server(Fault::StallHeaders).await;
    let ask = Ask::new(Provider::Anthropic, "x");
    assert!(tokio::time::timeout(NOTHING, ask.send(&stalled)).await.is_err());

    let stalled = server(Fault::Stall { after_frames: 3 }).await;
    let mut response = ask.send(&stalled).await.unwrap();
    let mut text = String::new();
    while text.matches("\n\n").count() < 3 {
        text += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert!(tokio::time::timeout(NOTHING, response.chunk()).await.is_err(), "{text}");
}

#[tokio::test]
async fn streams_break_at_a_frame_at_a_byte_and_without_a_sign() {
    for provider in Provider::ALL {
        let cut = server(Fault::Cut { at_byte: 131 }).await;
        let mut response = Ask::new(provider, "x").send(&cut).await.unwrap();
        let mut got = Vec::new();
        let error = loop {
            match response.chunk().await {
                Ok(chunk) => got.extend(chunk.expect("an end that is no end")),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        assert_eq!(got.len(), 131, "{provider:?}");

        let cut = server(Fault::CutFrames { after_frames: 2 }).await;
        let response = Ask::new(provider, "x").send(&cut).await.unwrap();
        response.text().await.expect_err("broken off");

        let early = seen(provider, Fault::EndEarly { after_frames: 2 }).await;
        assert_eq!(frames(&early).len(), 2, "{provider:?}: {early}");
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_breaks_off_too() {
    let cut = server(Fault::Cut { at_byte: 10 }).await;
    let response = Ask::new(Provider::Gemini, "x").whole().send(&cut).await.unwrap();
    response.bytes().await.expect_err("broken off");
}

#[tokio::test]
async fn an_error_stands_in_a_stream() {
    for (provider, words) in [
        (Provider::OpenAi, "server_error"),
        (Provider::Alchemyst, "Internal server error"),
        (Provider::Gemini, "UNAVAILABLE"),
        (Provider::Anthropic, "overloaded_error"),
        (Provider::Ollama, "an error was encountered"),
    ] {
        let text = seen(provider, Fault::ErrorInside { after_frames: 1 }).await;
        let frames = frames(&text);
        assert_eq!(frames.len(), 2, "{text}");
        assert!(frames[1].1["error"].to_string().contains(words), "{provider:?}: {text}");
    }
}

#[tokio::test]
async fn garbage_is_no_text() {
    let garbage = server(Fault::Garbage).await;
    let response = Ask::new(Provider::OpenAi, "x").send(&garbage).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(std::str::from_utf8(&response.bytes().await.unwrap()).is_err());
}

/// What harms no careful client: it hears the same, and the next reply is due.
#[tokio::test]
async fn framing_differs_and_what_is_said_does_not() {
    for provider in Provider::ALL {
        for fault in [Fault::SplitUtf8, Fault::Crlf, Fault::Comments] {
            let plain = ScriptedModel::start(Scenario::of([call()])).await;
            let wanted = Ask::new(provider, "x").said(&plain).await;
            let server = server(fault.clone()).await;
            let ask = Ask::new(provider, "x");
            assert_eq!(ask.said(&server).await, wanted, "{provider:?} {fault:?}");
            assert_eq!(ask.said(&server).await.0, "next", "{provider:?} {fault:?}");
        }
    }
    let split = server(Fault::SplitUtf8).await;
    let mut response = Ask::new(Provider::OpenAi, "x").send(&split).await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(std::str::from_utf8(&first).is_err(), "the first chunk ends within a character");
}

#[tokio::test]
async fn line_ends_are_the_other_ones() {
    let text =
        |provider| async move { Ask::new(provider, "x").text(&server(Fault::Crlf).await).await };
    assert!(text(Provider::OpenAi).await.ends_with("[DONE]\r\n\r\n"));
    assert!(!text(Provider::Gemini).await.contains('\r'));
}

#[tokio::test]
async fn usage_is_not_said() {
    for provider in Provider::ALL {
        let text = Ask::new(provider, "x").text(&server(Fault::NoUsage).await).await;
        assert!(!text.contains("\"usage") && !text.contains("eval_count"), "{provider:?}: {text}");
    }
}

#[tokio::test]
async fn nothing_is_said_and_filters_stop_answers() {
    for (provider, fault, words) in [
        (Provider::Gemini, Fault::MalformedCall, "MALFORMED_FUNCTION_CALL"),
        (Provider::Gemini, Fault::Safety, "\"finishReason\":\"SAFETY\""),
        (Provider::Gemini, Fault::Refusal, "blockReason"),
        (Provider::OpenAi, Fault::Safety, "content_filter"),
        (Provider::OpenAi, Fault::Refusal, "\"refusal\":\"I'm sorry"),
        (Provider::Anthropic, Fault::Refusal, "\"stop_reason\":\"refusal\""),
        (Provider::OpenAi, Fault::Length, "\"finish_reason\":\"length\""),
        (Provider::Anthropic, Fault::LengthMidCall, "\"stop_reason\":\"max_tokens\""),
        (Provider::Gemini, Fault::LengthMidCall, "MAX_TOKENS"),
        (Provider::Ollama, Fault::Length, "\"done_reason\":\"length\""),
    ] {
        let text = seen(provider, fault).await;
        assert!(text.contains(words), "{provider:?}: {text}");
    }
    for provider in Provider::ALL {
        let text = seen(provider, Fault::Empty).await;
        assert!(!text.contains("Grüße") && !text.contains("shell"), "{provider:?}: {text}");
    }
    assert!(!seen(Provider::Gemini, Fault::Empty).await.contains("candidates\""));
}

#[tokio::test]
async fn arguments_are_broken_in_every_way() {
    for (how, wanted) in [
        (Bad::TrailingComma, "{\"command\":\"ls -la\",}"),
        (Bad::Cut, "{\"command\""),
        (Bad::String, "\"{\\\"command\\\":\\\"ls -la\\\"}\""),
        (Bad::Array, "[{\"command\":\"ls -la\"}]"),
        (Bad::Nothing, ""),
    ] {
        for provider in [Provider::OpenAi, Provider::Anthropic] {
            let server = server(Fault::BadArguments { how }).await;
            let (_, calls) = Ask::new(provider, "x").said(&server).await;
            assert_eq!(calls, [("shell".to_owned(), wanted.to_owned())], "{provider:?}");
        }
        let server = server(Fault::BadArguments { how }).await;
        let (text, _) = Ask::new(Provider::Alchemyst, "x").said(&server).await;
        assert!(text.contains(&format!("\"arguments\": {wanted}}}")), "{text}");
    }
    let cut = || Fault::BadArguments { how: Bad::Cut };
    assert!(seen(Provider::Gemini, cut()).await.contains("MALFORMED_FUNCTION_CALL"));
    let (status, body, _) = refused(Provider::Ollama, cut()).await;
    assert_eq!(status, 500);
    assert!(body["error"].as_str().unwrap().starts_with("error parsing tool call"), "{body}");
    let (_, calls) = Ask::new(Provider::Gemini, "x")
        .said(&server(Fault::BadArguments { how: Bad::Array }).await)
        .await;
    assert_eq!(calls[0].1, "[{\"command\":\"ls -la\"}]");
}

#[tokio::test]
async fn ids_are_missing_or_the_same() {
    let two = call().and_call("shell", json!({}));
    for (fault, ids) in [(Fault::MissingIds, 0), (Fault::DuplicateIds, 2)] {
        let server = ScriptedModel::start(Scenario::of([two.clone().but(1, fault)])).await;
        let text = Ask::new(Provider::OpenAi, "x").text(&server).await;
        assert_eq!(text.matches("\"call_same\"").count(), ids, "{text}");
        assert_eq!(text.matches("\"call_1").count(), 0, "{text}");
    }
}

#[tokio::test]
async fn many_calls_come_at_once_and_none_too() {
    let many =
        (0..12).fold(Reply::default(), |reply, n| reply.and_call("shell", json!({ "n": n })));
    for provider in [Provider::OpenAi, Provider::Gemini, Provider::Anthropic, Provider::Ollama] {
        let server = ScriptedModel::start(Scenario::of([many.clone(), Reply::text("prose")])).await;
        assert_eq!(Ask::new(provider, "x").said(&server).await.1.len(), 12, "{provider:?}");
        assert_eq!(Ask::new(provider, "x").said(&server).await, ("prose".into(), vec![]));
    }
}

#[tokio::test]
async fn an_answer_is_huge() {
    let server = server(Fault::Huge { bytes: 5 << 20 }).await;
    let (text, _) = Ask::new(Provider::Anthropic, "x").said(&server).await;
    assert_eq!(text.len(), 5 << 20);
}

#[tokio::test]
async fn signatures_are_said_to_be_wrong() {
    let (status, body, _) = refused(Provider::Gemini, Fault::MissingSignature).await;
    assert_eq!(status, 400);
    assert!(body["error"]["message"].as_str().unwrap().contains("missing a thought_signature"));
    let (_, body, _) = refused(Provider::Gemini, Fault::CorruptedSignature).await;
    assert_eq!(body["error"]["message"], "Corrupted thought signature.");
}
