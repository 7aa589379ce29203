use proptest::prelude::*;
use serde_json::{Value, json};
use types::{ModelTurn, Part, Stop, ToolCall, ToolResult, Turn};

use super::*;

fn tool(name: &str, required: &str) -> ToolSpec {
    let parameters = json!({
        "type": "object",
        "properties": {required: {"type": "string"}, "timeout_s": {"type": "integer"}},
        "required": [required],
    });
    ToolSpec { name: name.into(), description: "…".into(), parameters }
}

fn request() -> ModelRequest {
    let tools = vec![tool("shell", "cmd"), tool("python", "code"), tool("finish", "summary")];
    ModelRequest { system: "You are.".into(), tools, ..ModelRequest::default() }
}

fn read_as(mode: ToolMode, text: &str, stop: Stop) -> ModelTurn {
    let turn = ModelTurn { text: text.into(), ..ModelTurn::default() };
    understood(mode, &request(), Reply { turn, stop, usage: None }).turn
}

fn read(text: &str) -> ModelTurn {
    read_as(ToolMode::Text, text, Stop::Done)
}

/// Text, tool and arguments of the one call.
fn call(text: &str) -> (String, String, Value) {
    let turn = read(text);
    let [call] = turn.calls.as_slice() else { panic!("{turn:?}") };
    assert_eq!((&call.flaw, &turn.flaw), (&None, &None), "{text}");
    assert_eq!(call.id, "call_1");
    (turn.text, call.name.clone(), call.arguments.clone())
}

fn shell(text: &str, cmd: &str) -> (String, String, Value) {
    (text.into(), "shell".into(), json!({ "cmd": cmd }))
}

#[test]
fn calls_in_every_form() {
    assert_eq!(call("First I look.\n\n```bash\nls -la\n```"), shell("First I look.", "ls -la"));
    assert_eq!(call("```sh\ncd x\nls\n```\n"), shell("", "cd x\nls"));
    let ls = shell("", "ls");
    for text in [
        r#"```json
{"tool": "shell", "arguments": {"cmd": "ls"}}
```"#,
        "```\n{'tool': 'shell', 'arguments': {'cmd': 'ls',},}\n```",
        r#"{"tool": "shell", "arguments": {"cmd": "ls"}}"#,
        r#"{"tool": "shell", "arguments": "{\"cmd\": \"ls\"}"}"#,
        r#"{"tool": "shell", "cmd": "ls"}"#,
        r#"{"name": "shell", "parameters": {"cmd": "ls"}}"#,
        r#"{"type": "function", "function": {"name": "shell", "arguments": "{\"cmd\":\"ls\"}"}}"#,
        r#"[{"name": "shell", "arguments": {"cmd": "ls"}}]"#,
        r#"{"tool_calls": [{"name": "shell", "arguments": {"cmd": "ls"}}]}"#,
        r#"{"shell": {"cmd": "ls"}}"#,
        "```shell\n{\"cmd\": \"ls\"}\n```",
        "```bash\n{\"tool\": \"shell\", \"arguments\": {\"cmd\": \"ls\"}}\n```",
        "<think>Should I use ```bash\nrm\n```?</think>```bash\nls\n```",
    ] {
        assert_eq!(call(text), ls, "{text}");
    }
    let tagged =
        "<tool_call>\n{\"name\": \"shell\", \"arguments\": {\"cmd\": \"ls\"}}\n</tool_call>";
    let (text, name, arguments) = call(tagged);
    assert_eq!((name.as_str(), arguments), ("shell", json!({"cmd": "ls"})));
    assert!(text.contains("what followed the call"));
    let unknown = call(r#"{"tool": "browser", "arguments": {}}"#);
    assert_eq!(unknown, (String::new(), "browser".into(), json!({})));
    let group = "```bash\n{ echo a; } > f\n[ -f f ]\n```";
    assert_eq!(call(group), shell("", "{ echo a; } > f\n[ -f f ]"));
}

#[test]
fn the_first_call_counts() {
    let two = "A.\n```bash\nls\n```\nIt printed: x\n```python\nprint()\n```\n";
    let note = "A.\n[Ignored: 1 more after the first call. One call per answer.]";
    assert_eq!(call(two), shell(note, "ls"));
    let array =
        r#"[{"tool":"shell","cmd":"ls"},{"tool":"shell","cmd":"a"},{"tool":"shell","cmd":"b"}]"#;
    assert!(call(array).0.contains("2 more"));
    let chatty = call("```bash\nls\n```\nThe output is: hello");
    let note = "\n[Ignored: what followed the call. Its result comes first.]";
    assert_eq!(chatty, shell(note, "ls"));
    let second = "```json\n{\"tool\": \"shell\" oops}\n```\nAgain:\n```bash\nls\n```";
    assert_eq!(call(second).1, "shell");
}

#[test]
fn what_is_no_call_is_text() {
    for text in [
        "Hello, I am done.",
        "",
        "See:\n```text\nls\n```",
        "```json\n{\"name\": \"my-package\", \"version\": \"1.0.0\"}\n```",
        "```rust\nfn main() {}\n```",
        "Use {\"tool\": …} to call.",
        "{not json at all",
    ] {
        let turn = read(text);
        assert_eq!(turn, ModelTurn { text: text.into(), ..ModelTurn::default() }, "{text}");
    }
}

#[test]
fn complaints_are_exact() {
    let flaw = |text: &str| {
        let turn = read(text);
        assert!(turn.calls.is_empty() && turn.text == text, "{turn:?}");
        turn.flaw.unwrap()
    };
    let broken =
        flaw("```json\n{\"tool\": \"shell\",\n \"arguments\": {\"cmd\": \"ls\" \"x\"}}\n```");
    let exact = "Your call cannot be read: in the block, line 2, column 28: expected `,` or `}` \
                 after the value, found '\"'. Write one block:\n```json\n{\"tool\": \"NAME\"";
    assert!(broken.starts_with(exact), "{broken}");
    let bare = flaw("I call.\n{\"tool\": \"shell\", cmd}");
    assert!(bare.contains("in what begins with `{`, line 1, column 22: expected `:`"), "{bare}");
}

#[test]
fn what_is_cut_off_is_not_done() {
    let text = "Now.\n```bash\nrm -rf /tmp/a";
    let turn = read_as(ToolMode::Text, text, Stop::Length);
    assert!(turn.calls.is_empty());
    assert!(turn.flaw.unwrap().contains("the block is cut off"));
    assert_eq!(read(text).calls.len(), 1, "a forgotten fence at the end is forgiven");
    let json = read(r#"{"tool": "shell", "arguments": {"cmd": "rm -rf /tmp/a"#);
    assert!(json.calls.is_empty());
    assert!(json.flaw.unwrap().contains("line 1, column 40: this string never ends"));
}

#[test]
fn bad_arguments_are_the_calls_flaw() {
    let turn = read(r#"{"tool": "shell", "arguments": ["ls"]}"#);
    assert!(turn.calls[0].flaw.as_ref().unwrap().contains("the arguments are an array"));
    assert_eq!(turn.flaw, None);
}

#[test]
fn a_native_answer_that_is_nothing_but_a_call_is_one() {
    let native = |text: &str| read_as(ToolMode::Native, text, Stop::Done);
    for text in [
        r#" {"name": "shell", "arguments": {"cmd": "ls"}} "#,
        "```json\n{\"name\": \"shell\", \"arguments\": {\"cmd\": \"ls\"}}\n```",
        "<tool_call>{\"name\": \"shell\", \"arguments\": {\"cmd\": \"ls\"}}</tool_call>",
        "<think>hm</think>{\"tool\": \"shell\", \"cmd\": \"ls\"}",
    ] {
        let turn = native(text);
        assert_eq!(turn.calls[0].arguments, json!({"cmd": "ls"}), "{text}");
        assert_eq!(turn.text, "");
    }
    for text in [
        r#"I call {"name": "shell", "arguments": {"cmd": "ls"}}"#,
        r#"{"name": "browser", "arguments": {}}"#,
        "```bash\nls\n```",
        "{\"answer\": 42}",
    ] {
        assert_eq!(native(text), ModelTurn { text: text.into(), ..ModelTurn::default() });
    }
}

#[test]
fn a_conversation_in_words() {
    let call = |id: &str, name: &str, arguments| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments,
        flaw: None,
    };
    let result = |id: &str, text: &str, is_error| ToolResult {
        call: id.into(),
        name: "shell".into(),
        parts: vec![Part::text(text)],
        is_error,
    };
    let model = ModelTurn {
        text: "I look.".into(),
        calls: vec![
            call("1", "shell", json!({"cmd": "ls"})),
            call("2", "shell", json!({"cmd": "ls", "timeout_s": 5})),
        ],
        ..ModelTurn::default()
    };
    let turns = vec![
        Turn::User { parts: vec![Part::text("Do it.")] },
        Turn::Model(model),
        Turn::Results { results: vec![result("1", "a b", false), result("2", "late", true)] },
        Turn::User { parts: vec![Part::text("Hurry.")] },
    ];
    let asked = ModelRequest { turns, must_call: Some("finish".into()), ..request() };
    let worded = worded(&asked);
    assert!(worded.system.starts_with("You are.\n\n# Calling tools\n"));
    assert!(worded.tools.is_empty() && worded.must_call.is_none());
    let [Turn::User { .. }, Turn::Model(said), Turn::User { parts }] = worded.turns.as_slice()
    else {
        panic!("{worded:?}")
    };
    assert_eq!(
        said.text,
        "I look.\n```bash\nls\n```\n```json\n\
         {\"arguments\":{\"cmd\":\"ls\",\"timeout_s\":5},\"tool\":\"shell\"}\n```"
    );
    let words: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Part::Text { text } => text.as_str(),
            Part::Image { .. } => "picture",
        })
        .collect();
    let must = "Your answer must be a call of `finish`.";
    let results = [
        "Result of shell (1):",
        "a b",
        "Result of shell (2), which failed:",
        "late",
        "Hurry.",
        must,
    ];
    assert_eq!(words, results);
}

#[test]
fn hostile_texts_are_read_in_time() {
    let long = |text: &str| text.repeat(500_000 / text.len());
    for text in [
        long("```a\n```a\n```\n"),
        long("```\n"),
        long("````a\n```\n~~~b\n"),
        long("{"),
        long("{\n"),
        long("> {"),
        long("{\"a\":"),
        long("{\"tool\": \"\n"),
        long("{'tool'\n"),
        "{\"a\": [\n".repeat(60) + &long("1,\n"),
        "{\"\n".repeat(100) + &long("x"),
        "{/*\n".repeat(100) + &long("\"too"),
        long("```a\n```a\n```\n").repeat(8),
        "{".repeat(4_000_000),
    ] {
        for mode in [ToolMode::Text, ToolMode::Native] {
            let begun = std::time::Instant::now();
            read_as(mode, &text, Stop::Done);
            let took = begun.elapsed();
            assert!(took.as_millis() < 1000, "{mode:?} {:?}: {took:?}", &text[..20]);
        }
    }
}

#[test]
fn what_nobody_can_have_said_at_once_is_no_call() {
    let text = format!("```bash\nls\n```{}", " ".repeat(600_000));
    assert!(read(&text).calls.is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        name in "shell|python|finish|unknown",
        key in "cmd|code|summary|x",
        code in "[`~a{}\\[\\]\"'\\\\\n\r €<>#]{0,60}",
        timeout in prop::option::of(any::<u32>()),
        said in "[a-z ]{0,10}",
    ) {
        let mut arguments = json!({ key: code });
        if let Some(seconds) = timeout {
            arguments["timeout_s"] = json!(seconds);
        }
        let written = ToolCall { id: "call_1".into(), name, arguments, flaw: None };
        let said = said.trim().to_owned();
        let text = format!("{said}\n{}", write::block(&written, &request().tools));
        let turn = read(&text);
        prop_assert_eq!(turn, ModelTurn { text: said, calls: vec![written], ..ModelTurn::default() });
    }

    #[test]
    fn any_text_is_read_without_harm(text in "[`~{}\\[\\]\"'\\\\:,a\n <>]{0,80}|.{0,200}") {
        read_as(ToolMode::Text, &text, Stop::Length);
        read_as(ToolMode::Native, &text, Stop::Done);
        read(&format!("```json\n{text}\n```"));
        read(&format!("{{\"tool\": {text}"));
    }
}
