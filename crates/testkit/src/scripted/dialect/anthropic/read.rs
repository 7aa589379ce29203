use serde_json::Value;

use crate::scripted::dialect::check::{self, Pairing};
use crate::scripted::dialect::{list, text};
use crate::scripted::seen::{Asked, Image, Message, Outcome, Role};
use crate::scripted::{Call, Seen, sign};

/// The request, and what is wrong with it.
pub(super) fn request(body: &Value, seen: &mut Seen) -> Vec<String> {
    seen.model = text(body, "model").into();
    seen.stream = body["stream"] == true;
    seen.max_output_tokens = body["max_tokens"].as_u64();
    seen.system = content_text(&body["system"]);
    seen.tools = list(body, "tools").iter().map(|tool| text(tool, "name").to_owned()).collect();
    seen.native_tools = !seen.tools.is_empty();
    seen.must_call = body["tool_choice"]["name"].as_str().map(str::to_owned);
    let mut wrong = Vec::new();
    if seen.max_output_tokens.is_none() {
        wrong.push("max_tokens: Field required".into());
    }
    for (at, message) in list(body, "messages").iter().enumerate() {
        wrong.extend(read_message(at, message, seen));
    }
    if seen.messages.is_empty() {
        wrong.push("messages: at least one message is required".into());
    }
    if let Some(at) = check::alternation(&seen.messages) {
        wrong.push(format!(
            "messages: roles must alternate between \"user\" and \"assistant\", but message {at} \
             does not"
        ));
    }
    wrong.extend(check::pairing(&seen.messages).map(pairing_flaw));
    wrong.extend(
        check::images(&seen.messages).map(|flaw| format!("Could not process image: {flaw}")),
    );
    wrong
}

fn read_message(at: usize, message: &Value, seen: &mut Seen) -> Option<String> {
    let role = match text(message, "role") {
        "user" => Role::User,
        "assistant" => Role::Model,
        role => {
            return Some(format!(
                "messages: Unexpected role \"{role}\". The Messages API accepts a \
                                 top-level `system` parameter"
            ));
        }
    };
    let mut read = Message::of(role);
    let blocks = list(message, "content");
    read.push_text(message["content"].as_str().unwrap_or_default());
    let mut flaw = blocks.iter().enumerate().find_map(|(n, block)| {
        let flaw = read_block(&seen.model, block, &mut read)?;
        Some(format!("messages.{at}.content.{n}: {flaw}"))
    });
    let results_end = blocks.iter().rposition(|block| block["type"] == "tool_result");
    let results = read.results.len();
    if results_end.is_some_and(|last| last + 1 != results) {
        flaw = flaw.or(Some(format!("messages.{at}: tool_result blocks must come first")));
    }
    if blocks.is_empty() && read.text.is_empty() {
        flaw = flaw.or(Some(format!("messages.{at}: all messages must have non-empty content")));
    }
    seen.messages.push(read);
    flaw
}

fn read_block(model: &str, block: &Value, message: &mut Message) -> Option<String> {
    match text(block, "type") {
        "text" => {
            message.push_text(text(block, "text"));
            text(block, "text").is_empty().then(|| "text content blocks must be non-empty".into())
        }
        "image" => {
            message.images.push(image(block));
            None
        }
        "tool_use" => {
            let call = Call { tool: text(block, "name").into(), arguments: block["input"].clone() };
            message.calls.push(Asked { id: Some(text(block, "id").into()), call });
            (!block["input"].is_object())
                .then(|| "tool_use.input: Input should be a valid dictionary".into())
        }
        "tool_result" => {
            let call = text(block, "tool_use_id").into();
            let text = content_text(&block["content"]);
            message.results.push(Outcome { call, text });
            let images = list(block, "content").iter().filter(|part| part["type"] == "image");
            message.images.extend(images.map(image));
            None
        }
        "thinking" => {
            let signed = sign::sign(model, text(block, "thinking"));
            (signed != text(block, "signature"))
                .then(|| "Invalid `signature` in `thinking` block".into())
        }
        "redacted_thinking" => None,
        kind => Some(format!(
            "Input tag '{kind}' found using 'type' does not match any of the \
                              expected tags"
        )),
    }
}

fn image(block: &Value) -> Image {
    let source = &block["source"];
    Image {
        media_type: Some(text(source, "media_type").into()),
        base64: text(source, "data").into(),
    }
}

fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn pairing_flaw(flaw: Pairing) -> String {
    match flaw {
        Pairing::Unanswered(at, ids) => format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately \
             after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the \
             next message.",
            ids.join(", ")
        ),
        Pairing::Unasked(at, id) => format!(
            "messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: \
             {id}. Each `tool_result` block must have a corresponding `tool_use` block in the \
             previous message."
        ),
        Pairing::Twice(at, id) => format!(
            "messages.{at}.content: each tool_use must have a single result. Found multiple \
             `tool_result` blocks with id: {id}"
        ),
        Pairing::SameId(at, _) => format!("messages.{at}: `tool_use` ids must be unique"),
    }
}
