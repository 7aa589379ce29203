//! What the tests of this crate have in common.

use std::time::Duration;

use reqwest::Url;
use types::{ModelRequest, ModelTurn, Part, ToolCall, ToolResult, ToolSpec, Turn};

use crate::{Kind, Price, Provider, ToolMode};

/// A provider nobody listens at, whose model is called after it: `gemini/gemini-1`.
pub(crate) fn provider(kind: Kind) -> Provider {
    Provider {
        kind,
        key: None,
        base_url: Url::parse("http://127.0.0.1:9").unwrap(),
        model: format!("{}-1", kind.as_str()),
        window_tokens: 100_000,
        images: false,
        tools: ToolMode::Native,
        price: Some(Price { input: 1.0, cached: 0.1, output: 10.0 }),
        silence: Duration::from_secs(30),
    }
}

/// Somebody says this.
pub(crate) fn said(text: &str) -> Turn {
    Turn::User { parts: vec![Part::text(text)] }
}

/// A question that begins with this.
pub(crate) fn question(text: &str) -> ModelRequest {
    let turns = vec![said(text)];
    ModelRequest { turns, max_output_tokens: 1000, ..ModelRequest::default() }
}

/// A turn that calls a tool by these ids.
pub(crate) fn called(ids: &[&str]) -> ModelTurn {
    let call = |id: &&str| ToolCall {
        id: (*id).to_owned(),
        name: "shell".into(),
        arguments: serde_json::json!({"command": "ls"}),
        flaw: None,
    };
    ModelTurn { calls: ids.iter().map(call).collect(), ..ModelTurn::default() }
}

/// A conversation with all there is: two calls at once, a failure, a picture, a person's word after
/// results, an answer without calls.
pub(crate) fn conversation() -> ModelRequest {
    let result = |call: &str, parts, is_error| ToolResult {
        call: call.into(),
        name: "shell".into(),
        parts,
        is_error,
    };
    let results = vec![
        result("call_1", vec![Part::text("no such file")], true),
        result("call_2", vec![Part::text("screen.png"), picture()], false),
    ];
    let turns = vec![
        said("Draw a circle."),
        Turn::Model(ModelTurn { text: "Let me look.".into(), ..called(&["call_1", "call_2"]) }),
        Turn::Results { results },
        said("In red."),
        Turn::Model(ModelTurn { text: "It is red.".into(), ..ModelTurn::default() }),
        Turn::User { parts: vec![Part::text("Like this:"), picture()] },
    ];
    let tools = vec![ToolSpec {
        name: "shell".into(),
        description: "Runs a command.".into(),
        parameters: serde_json::json!({
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
            "additionalProperties": false,
        }),
    }];
    let system = "You are an agent.".into();
    ModelRequest { system, turns, tools, must_call: None, max_output_tokens: 1000 }
}

/// A picture of one pixel, nearly.
fn picture() -> Part {
    let (media_type, base64) = ("image/png".into(), "iVBORw0KGgo=".into());
    Part::Image { media_type, base64, width: 1, height: 1 }
}

/// What becomes of an answer that comes in these frames.
pub(crate) fn read(
    dialect: &dyn crate::dialect::Dialect,
    provider: &Provider,
    request: &ModelRequest,
    frames: &[&str],
) -> Result<crate::dialect::Reply, crate::ModelError> {
    let mut reader = dialect.reader(provider, request);
    for frame in frames {
        if reader.frame("", frame)? {
            break;
        }
    }
    reader.end()
}
