use std::time::Duration;

use proptest::prelude::*;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Stop, TokenUsage, Turn};

use super::Gemini;
use crate::dialect::{Dialect as _, Reply};
use crate::fixtures::{conversation, provider, question, read};
use crate::fuzz::{asked, frame};
use crate::{Kind, ModelError, Provider, Secret};

fn gemini(model: &str) -> Provider {
    Provider { model: model.into(), ..provider(Kind::Gemini) }
}

fn answer(frames: &[&str]) -> Result<Reply, ModelError> {
    read(&Gemini, &gemini("gemini-3-pro"), &question("Go."), frames)
}

fn body(model: &str, request: &ModelRequest) -> Value {
    Gemini.question(&gemini(model), request).body
}

#[test]
fn the_key_is_in_a_header_only() {
    let key = Some(Secret::new("s3cret"));
    let asked =
        Gemini.question(&Provider { key, ..gemini("models/gemini-3-pro") }, &question("Hi"));
    assert_eq!(asked.path, "v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse");
    let header = &asked.headers["x-goog-api-key"];
    assert!(header == "s3cret" && header.is_sensitive());
    assert!(!asked.body.to_string().contains("s3cret"));
}

#[test]
fn a_conversation() {
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let call = json!({"name": "shell", "args": {"command": "ls"}});
    let failed = json!({"name": "shell", "response": {"error": "no such file"}});
    let expected = |results: Value| {
        json!({
            "systemInstruction": {"parts": [{"text": "You are an agent."}]},
            "tools": [{"functionDeclarations": [{
                "name": "shell",
                "description": "Runs a command.",
                "parametersJsonSchema": {
                    "type": "object",
                    "properties": {"command": {"type": "string"}},
                    "required": ["command"],
                    "additionalProperties": false,
                },
            }]}],
            "contents": [
                {"role": "user", "parts": [{"text": "Draw a circle."}]},
                {"role": "model", "parts": [
                    {"text": "Let me look."},
                    {"functionCall": call, "thoughtSignature": "skip_thought_signature_validator"},
                    {"functionCall": call},
                ]},
                {"role": "user", "parts": results},
                {"role": "model", "parts": [{"text": "It is red."}]},
                {"role": "user", "parts": [{"text": "Like this:"}, inline]},
            ],
            "generationConfig": {"maxOutputTokens": 1000},
        })
    };
    let new = json!([
        {"functionResponse": failed},
        {"functionResponse": {
            "name": "shell",
            "response": {"output": "screen.png"},
            "parts": [inline],
        }},
        {"text": "In red."},
    ]);
    assert_eq!(body("gemini-3-pro", &conversation()), expected(new.clone()));
    assert_eq!(body("gemini-flash-latest", &conversation()), expected(new));
    let old = json!([
        {"functionResponse": failed},
        {"functionResponse": {"name": "shell", "response": {"output": "screen.png"}}},
        {"text": "The picture from shell:"},
        inline,
        {"text": "In red."},
    ]);
    assert_eq!(body("gemini-2.5-flash", &conversation()), expected(old));
}

#[test]
fn the_one_tool_it_must_call() {
    let request = ModelRequest { must_call: Some("shell".into()), ..conversation() };
    let config =
        json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["shell"]}});
    assert_eq!(body("gemini-3-pro", &request)["toolConfig"], config);
}

/// As it was recorded, with the signature shortened.
const CALLS: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"x":3,"y":5},"name":"add"},"thoughtSignature":"c2ln"},{"functionCall":{"args":{"x":2,"y":1},"name":"subtract"}}],"role":"model"},"finishMessage":"Model generated function call(s).","finishReason":"STOP","index":0}],"modelVersion":"gemini-2.5-flash","responseId":"r","usageMetadata":{"candidatesTokenCount":37,"promptTokenCount":193,"promptTokensDetails":[{"modality":"TEXT","tokenCount":193}],"serviceTier":"standard","thoughtsTokenCount":100,"totalTokenCount":330}}"#;

#[test]
fn calls_come_whole_and_without_ids() {
    let reply = read(&Gemini, &gemini("gemini-3-pro"), &conversation(), &[CALLS]).unwrap();
    assert_eq!(reply.stop, Stop::Done);
    let calls: Vec<_> = reply.turn.calls.iter().map(|c| (c.id.as_str(), c.name.as_str())).collect();
    assert_eq!(calls, [("call_3", "add"), ("call_4", "subtract")]);
    assert_eq!(reply.turn.calls[0].arguments, json!({"x": 3, "y": 5}));
    let usage = TokenUsage {
        input_tokens: 193,
        cached_tokens: 0,
        output_tokens: 137,
        reasoning_tokens: 100,
        estimated: false,
    };
    assert_eq!(reply.usage, Some(usage));
}

const SIGNED: &str = r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"dGV4dA=="},{"functionCall":{"id":"fc-1","name":"shell","args":{}},"thoughtSignature":"Y2FsbA=="},{"functionCall":{"name":"shell"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}"#;

/// What the model said, as it is sent back after it.
fn back(model: &str, turn: ModelTurn) -> Value {
    let mut request = question("Go.");
    request.turns.push(Turn::Model(turn));
    body(model, &request)["contents"][1]["parts"].clone()
}

#[test]
fn a_signature_goes_back_on_its_part() {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"Wait."},{"text":" Hm."}],"role":"model"}}]}"#;
    let reply = answer(&[text, SIGNED]).unwrap();
    assert_eq!(reply.turn.text, "Wait. Hm.");
    let parts = json!([
        {"text": "Wait. Hm."},
        {"text": "", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"id": "fc-1", "name": "shell", "args": {}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "shell", "args": {}}},
    ]);
    assert_eq!(back("gemini-3-pro", reply.turn.clone()), parts);
    let plain = json!([
        {"text": "Wait. Hm."},
        {
            "functionCall": {"name": "shell", "args": {}},
            "thoughtSignature": "skip_thought_signature_validator",
        },
        {"functionCall": {"name": "shell", "args": {}}},
    ]);
    let other = back("gemini-3-flash", reply.turn.clone());
    assert_eq!(other, plain, "another model's signatures are not sent");
    let changed = ModelTurn { text: "Wait.".into(), ..reply.turn };
    assert_eq!(
        back("gemini-3-pro", changed)[0],
        json!({"text": "Wait."}),
        "nor those of a changed turn"
    );
}

#[test]
fn an_id_of_its_own_goes_back_with_the_result() {
    let mut request = conversation();
    let Turn::Model(turn) = &mut request.turns[1] else { panic!() };
    let data = json!([
        {"text": {"bytes": 12}},
        {"call": {"id": "fc-1", "signature": "c2ln"}},
        {"call": {"id": "fc-2"}},
    ]);
    turn.replay = Some(types::Replay { of: "gemini/gemini-3-pro".into(), data });
    let contents = &body("gemini-3-pro", &request)["contents"];
    assert_eq!(contents[1]["parts"][1]["functionCall"]["id"], "fc-1");
    assert_eq!(contents[1]["parts"][1]["thoughtSignature"], "c2ln");
    assert_eq!(contents[1]["parts"][2]["thoughtSignature"], Value::Null);
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["id"], "fc-1");
    assert_eq!(contents[2]["parts"][1]["functionResponse"]["id"], "fc-2");
}

#[test]
fn thoughts_are_not_said() {
    let thought = r#"{"candidates":[{"content":{"parts":[{"text":"Hm, hm.","thought":true}]}}]}"#;
    let said = r#"{"candidates":[{"content":{"parts":[{"text":"Yes."}]},"finishReason":"STOP"}]}"#;
    let turn = answer(&[thought, said]).unwrap().turn;
    assert_eq!((turn.text.as_str(), turn.replay), ("Yes.", None));
}

fn ended(reason: &str, text: &str) -> Result<Stop, ModelError> {
    let candidate = json!({"content": {"parts": [{"text": text}]}, "finishReason": reason});
    answer(&[&json!({"candidates": [candidate]}).to_string()]).map(|reply| reply.stop)
}

#[test]
fn every_end_has_a_meaning() {
    assert_eq!(ended("STOP", "x"), Ok(Stop::Done));
    assert_eq!(ended("SOMETHING_NEW", "x"), Ok(Stop::Done));
    assert_eq!(ended("MAX_TOKENS", "x"), Ok(Stop::Length));
    for reason in
        ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST", "IMAGE_SAFETY"]
    {
        assert_eq!(ended(reason, "x"), Ok(Stop::Refused { why: reason.into() }));
    }
    for reason in ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"] {
        assert_eq!(ended(reason, "x"), Err(ModelError::Empty(reason.into())));
    }
    assert!(matches!(ended("MISSING_THOUGHT_SIGNATURE", ""), Err(ModelError::Signature(_))));
    let none = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":5}}"#;
    assert!(matches!(answer(&[none]), Err(ModelError::Empty(_))));
    let blocked = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":5}}"#;
    let stop = answer(&[blocked]).unwrap().stop;
    assert_eq!(stop, Stop::Refused { why: "PROHIBITED_CONTENT".into() });
}

#[test]
fn an_answer_without_an_end_broke_off() {
    let part = r#"{"candidates":[{"content":{"parts":[{"text":"Half a"}]}}],"usageMetadata":{"promptTokenCount":5}}"#;
    for frames in [&[part][..], &[], &[part, r#"{"candidates":[{"con"#]] {
        assert!(matches!(answer(frames), Err(ModelError::BrokenOff(_))), "{frames:?}");
    }
}

#[test]
fn what_came_from_a_cache_is_part_of_the_question() {
    let usage = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":800,"toolUsePromptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":1020}}"#;
    let usage = answer(&[usage]).unwrap().usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cached_tokens, usage.output_tokens), (1010, 800, 10));
}

fn refusal(status: u16, body: &str) -> ModelError {
    Gemini.refusal(status, &HeaderMap::new(), body)
}

fn quota(id: &str) -> String {
    json!([{"error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.2s"},
        ],
    }}])
    .to_string()
}

#[test]
fn a_quota_for_a_minute_comes_back_and_one_for_a_day_does_not() {
    let minute = refusal(429, &quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"));
    let wait = Some(Duration::from_millis(37_200));
    assert!(matches!(minute, ModelError::RateLimited { after, .. } if after == wait));
    let day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert!(matches!(refusal(429, &day), ModelError::Exhausted(_)));
    let error = day.trim_start_matches('[').trim_end_matches(']');
    assert!(matches!(refusal(429, error), ModelError::Exhausted(_)), "also without the list");
    assert!(matches!(answer(&[&day]), Err(ModelError::Exhausted(_))), "also in a stream");
}

#[test]
fn every_refusal_has_a_meaning() {
    let error =
        |message: &str, status: &str| json!({"error": {"message": message, "status": status}});
    let bad = |message: &str| refusal(400, &error(message, "INVALID_ARGUMENT").to_string());
    let long =
        "The input token count (1300000) exceeds the maximum number of tokens allowed (1048575).";
    assert_eq!(bad(long), ModelError::TooLong { window: Some(1_048_575) });
    for text in [
        "Function call is missing a thought_signature in functionCall parts. This is required",
        "Corrupted thought signature.",
        "Invalid thought signature.",
    ] {
        assert!(matches!(bad(text), ModelError::Signature(_)), "{text}");
    }
    assert!(matches!(bad("Invalid value at 'contents'"), ModelError::Invalid(_)));
    let key = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    assert!(matches!(refusal(400, key), ModelError::Auth(_)));
    assert!(matches!(bad("API key expired. Please renew the API key."), ModelError::Auth(_)));
    let model =
        error("models/gemini-0 is not found for API version v1beta", "NOT_FOUND").to_string();
    assert!(matches!(refusal(404, &model), ModelError::NotFound(_)));
    for (status, name) in [(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")] {
        let body = error("The model is overloaded.", name).to_string();
        assert!(matches!(refusal(status, &body), ModelError::Unavailable { .. }), "{status}");
    }
}

#[test]
fn what_an_answer_took_is_known_whatever_becomes_of_it() {
    let provider = crate::fixtures::provider(crate::Kind::Gemini);
    let mut reader = Gemini.reader(&provider, &crate::fixtures::question("Hello?"));
    let frame = r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"MALFORMED_FUNCTION_CALL"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2}}"#;
    reader.frame("", frame).unwrap();
    let spent = reader.spent();
    let usage = spent.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, spent.bytes), (7, 2, 5));
}

proptest! {
    #[test]
    fn every_question_is_in_order(request in asked(&gemini("gemini-2.5-flash"))) {
        let body = body("gemini-2.5-flash", &request);
        let contents = body["contents"].as_array().unwrap();
        let mut open = 0;
        for (at, content) in contents.iter().enumerate() {
            let role = if at % 2 == 0 { "user" } else { "model" };
            prop_assert_eq!(&content["role"], role);
            let parts = content["parts"].as_array().unwrap();
            let results = parts.iter().take_while(|p| p["functionResponse"].is_object()).count();
            let later = parts[results..].iter().filter(|p| p["functionResponse"].is_object()).count();
            prop_assert_eq!((results, later), (open, 0), "all results, at the beginning");
            let calls: Vec<_> = parts.iter().filter(|p| p["functionCall"].is_object()).collect();
            prop_assert!(calls.iter().all(|call| call["functionCall"]["args"].is_object()));
            prop_assert!(calls.first().is_none_or(|call| call["thoughtSignature"].is_string()));
            open = calls.len();
        }
        prop_assert_eq!(open, 0);
    }

    #[test]
    fn no_frame_does_harm(frames in prop::collection::vec(frame(&[CALLS, SIGNED]), 0..6)) {
        let mut reader = Gemini.reader(&gemini("gemini-3-pro"), &question("Go."));
        for data in frames {
            let _ = reader.frame("", &data);
        }
        let _ = reader.end();
    }
}
