use proptest::prelude::*;
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Part, Stop, TokenUsage, ToolResult, ToolSpec, Turn};

use super::*;
use crate::dialect::Reply;
use crate::fixtures::{called, provider, question, said};
use crate::fuzz;

fn read_for(provider: &Provider, frames: &[&str]) -> Result<Reply, ModelError> {
    let mut reader = OpenAi.reader(provider, &question("Hello?"));
    for frame in frames {
        if reader.frame("message", frame)? {
            break;
        }
    }
    reader.end()
}

fn read(frames: &[&str]) -> Result<Reply, ModelError> {
    read_for(&provider(Kind::OpenAi), frames)
}

/// Name, arguments and id of each call.
fn calls(frames: &[&str]) -> Vec<(String, Value, String)> {
    let turn = read(frames).unwrap().turn;
    turn.calls.into_iter().map(|call| (call.name, call.arguments, call.id)).collect()
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn a_streamed_answer_with_calls() {
    let reply = read(&[
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_abc","type":"function","function":{"name":"shell","arguments":""}}],"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"cmd\":"}}]},"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"ls\"}"}}]},"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_def","type":"function","function":{"name":"finish","arguments":""}}]},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":193,"completion_tokens":137,"total_tokens":330,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":100}}}"#,
        "[DONE]",
        "never read",
    ])
    .unwrap();
    let [shell, finish] = reply.turn.calls.as_slice() else { panic!("{reply:?}") };
    assert_eq!((shell.id.as_str(), &shell.arguments), ("call_abc", &json!({"cmd": "ls"})));
    assert_eq!((finish.name.as_str(), &finish.arguments), ("finish", &json!({})));
    assert_eq!((reply.stop, reply.turn.replay), (Stop::Done, None));
    let usage = TokenUsage {
        input_tokens: 193,
        cached_tokens: 64,
        output_tokens: 137,
        reasoning_tokens: 100,
        estimated: false,
    };
    assert_eq!(reply.usage, Some(usage));
}

#[test]
fn calls_as_weaker_servers_write_them() {
    let (ls, pwd) = (json!({"cmd": "ls"}), json!({"cmd": "pwd"}));
    // No ids, and "stop" for a reason.
    let message = r#"{"choices":[{"message":{"tool_calls":[{"function":{"name":"shell","arguments":"{\"cmd\":\"ls\"}"}},{"function":{"name":"shell","arguments":{"cmd":"pwd"}}}]},"finish_reason":"stop"}]}"#;
    let two = vec![
        ("shell".to_owned(), ls.clone(), "call_1".to_owned()),
        ("shell".to_owned(), pwd.clone(), "call_2".to_owned()),
    ];
    assert_eq!(calls(&[message]), two);
    // One index for all.
    let same = |id: &str, cmd: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"shell","arguments":"{{\"cmd\":\"{cmd}\"}}"}}}}]}}}}]}}"#
        )
    };
    let found = calls(&[&same("a", "ls"), &same("b", "pwd"), STOP]);
    assert_eq!(found.iter().map(|call| call.2.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found[1].1, pwd);
    // One id for all, but an index for each.
    let twice = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"shell","arguments":"{}"}},{"index":1,"id":"x","function":{"name":"shell","arguments":"{}"}}]}}]}"#;
    let found = calls(&[twice, STOP]);
    assert_eq!(found.iter().map(|call| call.2.as_str()).collect::<Vec<_>>(), ["x", "call_1"]);
    // From before there were tools.
    let old =
        r#"{"choices":[{"delta":{"function_call":{"name":"shell","arguments":"{\"cmd\":"}}}]}"#;
    let more = r#"{"choices":[{"delta":{"function_call":{"arguments":"\"ls\"}"}}}]}"#;
    assert_eq!(calls(&[old, more, STOP]), [("shell".to_owned(), ls, "call_1".to_owned())]);
}

#[test]
fn a_call_that_is_cut_off_has_a_flaw() {
    let cut = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"shell","arguments":"{\"cmd\":\"rm -rf /tmp/x"}}]},"finish_reason":"length"}]}"#;
    let reply = read(&[cut, "[DONE]"]).unwrap();
    assert_eq!(reply.stop, Stop::Length);
    assert!(reply.turn.calls[0].flaw.as_ref().unwrap().contains("cut off"));
    assert_eq!(reply.turn.calls[0].arguments, json!("{\"cmd\":\"rm -rf /tmp/x"));
}

#[test]
fn every_end_has_a_meaning() {
    let hello = r#"{"choices":[{"delta":{"content":"Hello"}}]}"#;
    assert!(matches!(read(&[hello]), Err(ModelError::BrokenOff(_))));
    assert!(matches!(read(&[]), Err(ModelError::BrokenOff(_))));
    assert_eq!(read(&[hello, "[DONE]"]).unwrap().turn.text, "Hello");
    assert_eq!(read(&[hello, STOP]).unwrap().stop, Stop::Done);
    let refusal = r#"{"choices":[{"delta":{"refusal":"I cannot help."}}]}"#;
    let refused = read(&[refusal, STOP]).unwrap().stop;
    assert_eq!(refused, Stop::Refused { why: "I cannot help.".into() });
    let filter = r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
    assert!(matches!(read(&[filter]).unwrap().stop, Stop::Refused { .. }));
    let parts = r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},"finish_reason":"stop"}]}"#;
    assert_eq!(read(&[parts]).unwrap().turn.text, "ab");
    let thoughts = r#"{"choices":[{"delta":{"reasoning_content":"hm","content":""}}]}"#;
    assert_eq!(read(&[thoughts, hello, STOP]).unwrap().turn.text, "Hello");
    assert!(matches!(read(&["{\"choices\":[{"]), Err(ModelError::Empty(_))));
}

#[test]
fn numbers_and_calls_have_bounds() {
    let most = u64::MAX;
    let absurd = format!(
        r#"{{"choices":[],"usage":{{"prompt_tokens":{most},"completion_tokens":{most},"prompt_tokens_details":{{"cached_tokens":9}}}}}}"#
    );
    assert_eq!(read(&[&absurd, STOP]).unwrap().usage.unwrap().input_tokens, most);
    let cached = r#"{"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":9}}}"#;
    assert_eq!(read(&[cached, STOP]).unwrap().usage.unwrap().cached_tokens, 3);
    let call =
        |index| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index}}}]}}}}]}}"#);
    let mut reader = OpenAi.reader(&provider(Kind::OpenAi), &question("Hello?"));
    let failed =
        (0..100_000).find_map(|index| Some((index, reader.frame("", &call(index)).err()?)));
    let (index, error) = failed.unwrap();
    assert!(index == 256 && error == ModelError::Empty("it has more than 256 calls".into()));
}

#[test]
fn what_an_answer_took_is_known_when_it_fails() {
    let mut reader = OpenAi.reader(&provider(Kind::OpenAi), &question("Hello?"));
    let said = r#"{"choices":[{"delta":{"content":"Hello"}}],"usage":{"prompt_tokens":3}}"#;
    reader.frame("", said).unwrap();
    reader.frame("", r#"{"error":{"message":"oh"},"usage":{"prompt_tokens":4}}"#).unwrap_err();
    let spent = reader.spent();
    assert_eq!((spent.usage.unwrap().input_tokens, spent.bytes), (4, 5));
}

#[test]
fn errors_within_an_answer() {
    let overloaded = r#"{"error":{"code":502,"message":"Provider returned error"},"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    assert!(matches!(read(&[overloaded]), Err(ModelError::Unavailable { .. })));
    let gave_up = r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    assert!(matches!(read(&[gave_up]), Err(ModelError::Unavailable { .. })));
    let alchemyst = r#"{"content":null,"error":{"message":"Internal server error"}}"#;
    assert!(matches!(read(&[alchemyst]), Err(ModelError::Unavailable { .. })));
    let vllm = r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","code":400}"#;
    assert_eq!(read(&[vllm]), Err(ModelError::TooLong { window: Some(4096) }));
    let limited = r#"{"error":{"type":"rate_limit_error","message":"Try again in 2s"}}"#;
    assert!(matches!(read(&[limited]), Err(ModelError::RateLimited { after: Some(_), .. })));
    let quota = r#"{"error":{"code":"insufficient_quota","message":"No more"}}"#;
    assert!(matches!(read(&[quota]), Err(ModelError::Exhausted(_))));
}

#[test]
fn a_conversation() {
    let shown = Part::Image {
        media_type: "image/png".into(),
        base64: "iVBORw0KGgo=".into(),
        width: 1,
        height: 1,
    };
    let result = |call: &str, parts| ToolResult {
        call: call.into(),
        name: "shell".into(),
        parts,
        is_error: false,
    };
    let mut model = called(&["a", "b"]);
    model.calls[1].arguments = json!("{\"cut");
    let request = ModelRequest {
        system: "You are.".into(),
        turns: vec![
            said("Do it."),
            Turn::Model(model),
            Turn::Results {
                results: vec![
                    result("a", vec![Part::text("see"), shown]),
                    result("b", vec![Part::text("bad")]),
                ],
            },
        ],
        tools: vec![ToolSpec {
            name: "shell".into(),
            description: "Runs.".into(),
            parameters: json!({"type": "object"}),
        }],
        must_call: Some("shell".into()),
        max_output_tokens: 1000,
    };
    let asked = OpenAi.question(&provider(Kind::OpenAi), &request).body;
    let call = |id: &str, arguments: &str| json!({ "id": id, "type": "function", "function": { "name": "shell", "arguments": arguments } });
    assert_eq!(
        asked,
        json!({
            "model": "openai-1",
            "messages": [
                { "role": "system", "content": "You are." },
                { "role": "user", "content": "Do it." },
                { "role": "assistant", "content": null, "tool_calls": [
                    call("a", r#"{"command":"ls"}"#),
                    call("b", r#"{"unreadable":"{\"cut"}"#),
                ] },
                { "role": "tool", "tool_call_id": "a", "content": "see" },
                { "role": "tool", "tool_call_id": "b", "content": "bad" },
                { "role": "user", "content": [
                    { "type": "text", "text": "The result of shell (a) shows:" },
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } },
                ] },
            ],
            "max_tokens": 1000,
            "stream": true,
            "stream_options": { "include_usage": true },
            "tools": [{ "type": "function", "function": {
                "name": "shell", "description": "Runs.", "parameters": {"type": "object"},
            } }],
            "tool_choice": { "type": "function", "function": { "name": "shell" } },
        })
    );
}

#[test]
fn who_is_asked_makes_a_difference() {
    let keys = |kind, url: &str| {
        let mut provider = provider(kind);
        provider.base_url = url.parse().unwrap();
        let asked = OpenAi.question(&provider, &question("Hello?"));
        let keys: Vec<_> = asked.body.as_object().unwrap().keys().cloned().collect();
        (asked.path, keys.join(" "))
    };
    let of = |path: &str, keys: &str| (path.to_owned(), keys.to_owned());
    assert_eq!(
        keys(Kind::OpenAi, "https://api.openai.com/v1"),
        of("chat/completions", "max_completion_tokens messages model stream stream_options")
    );
    assert_eq!(
        keys(Kind::Alchemyst, "https://platform-backend.getalchemystai.com"),
        of("api/v1/proxy/default/chat/completions", "max_tokens messages model stream")
    );
    assert_eq!(keys(Kind::OpenAi, "http://127.0.0.1:8080").0, "v1/chat/completions");
}

#[test]
fn a_signature_goes_back_on_its_call() {
    let of = provider(Kind::OpenAi);
    let frame = r#"{"choices":[{"delta":{"content":"I look.","tool_calls":[{"index":0,"id":"a","extra_content":{"google":{"thought_signature":"c2ln"}},"function":{"name":"shell","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"shell","arguments":"{}"}}]},"finish_reason":"stop"}]}"#;
    let turn = read_for(&of, &[frame]).unwrap().turn;
    let asked = |provider: &Provider, turn: &ModelTurn| {
        let turns = vec![said("Go."), Turn::Model(turn.clone())];
        let request = ModelRequest { turns, ..ModelRequest::default() };
        OpenAi.question(provider, &request).body["messages"][2]["tool_calls"].clone()
    };
    let back = asked(&of, &turn);
    assert_eq!(back[0]["extra_content"]["google"]["thought_signature"], "c2ln");
    assert!(back[1].get("extra_content").is_none());
    let other = Provider { model: "other".into(), ..of };
    assert!(asked(&other, &turn)[0].get("extra_content").is_none());
}

fn frame() -> impl Strategy<Value = String> {
    let piece = "[a-z{}\":, ]{0,10}";
    prop_oneof![
        ".{0,60}",
        Just("[DONE]".to_owned()),
        Just(STOP.to_owned()),
        (prop::option::of(0..3_u64), prop::option::of("[ab]"), prop::option::of("shell"), piece)
            .prop_map(|(index, id, name, arguments)| {
                let function = json!({ "name": name, "arguments": arguments });
                let call = json!({ "index": index, "id": id, "function": function });
                json!({ "choices": [{ "delta": { "tool_calls": [call] } }] }).to_string()
            }),
        (any::<prop::sample::Index>()).prop_map(|cut| {
            let whole = r#"{"choices":[{"delta":{"content":7,"tool_calls":{}},"finish_reason":1}],"usage":[],"error":null}"#;
            whole[..=cut.index(whole.len())].to_owned()
        }),
    ]
}

/// Every call has its result right after it, in order; ids are unique; nobody speaks twice in a row
/// but the results, with the pictures that belong to them.
fn assert_in_order(messages: &[Value]) {
    let mut open: Vec<String> = vec![];
    let mut seen = std::collections::HashSet::new();
    for pair in messages.windows(2) {
        let role = |at: usize| pair[at]["role"].as_str().unwrap();
        if role(1) == "tool" {
            assert_eq!(pair[1]["tool_call_id"], open.remove(0));
            continue;
        }
        assert!(open.is_empty(), "calls without results: {open:?}");
        assert!(role(0) != role(1) || role(1) == "user", "{messages:#?}");
        for call in pair[1]["tool_calls"].as_array().into_iter().flatten() {
            let id = call["id"].as_str().unwrap().to_owned();
            let arguments = call["function"]["arguments"].as_str().unwrap();
            assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object());
            assert!(seen.insert(id.clone()));
            open.push(id);
        }
    }
    assert!(open.is_empty());
    assert_ne!(messages.last().unwrap()["role"], "assistant");
}

proptest! {
    #[test]
    fn every_question_is_in_order(request in fuzz::asked(&provider(Kind::OpenAi))) {
        let asked = OpenAi.question(&provider(Kind::OpenAi), &request).body;
        assert_in_order(asked["messages"].as_array().unwrap());
    }

    #[test]
    fn in_words_user_and_model_take_turns(request in fuzz::asked(&provider(Kind::Alchemyst))) {
        let asked = OpenAi.question(&provider(Kind::Alchemyst), &crate::text::worded(&request)).body;
        let messages = asked["messages"].as_array().unwrap();
        for (at, message) in messages.iter().enumerate().skip(1) {
            prop_assert_eq!(&message["role"], if at % 2 == 1 { "user" } else { "assistant" });
            prop_assert!(message["content"].as_str().is_some_and(|text| !text.is_empty()));
        }
        prop_assert_eq!(&messages.last().unwrap()["role"], "user");
        prop_assert!(asked.get("tools").is_none() && asked.get("tool_choice").is_none());
    }

    #[test]
    fn no_frame_does_harm(frames in prop::collection::vec(frame(), 0..8)) {
        let frames: Vec<_> = frames.iter().map(String::as_str).collect();
        if let Ok(reply) = read(&frames) {
            let mut ids: Vec<_> = reply.turn.calls.iter().map(|call| &call.id).collect();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), reply.turn.calls.len());
        }
    }
}
