use serde_json::Value;

use crate::scripted::dialect::check::{self, Pairing};
use crate::scripted::dialect::{list, text};
use crate::scripted::seen::{Asked, Image, Message, Outcome, Role};
use crate::scripted::{Call, Seen};

/// Reads a request; Alchemyst's too.
pub(in crate::scripted::dialect) fn request(body: &Value, seen: &mut Seen) -> Vec<String> {
    seen.model = text(body, "model").into();
    seen.stream = body["stream"] == true;
    seen.wants_usage = body["stream_options"]["include_usage"] == true;
    seen.max_output_tokens =
        body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64());
    let names = list(body, "tools").iter().map(|tool| text(&tool["function"], "name").to_owned());
    seen.tools = names.collect();
    seen.native_tools = !seen.tools.is_empty();
    seen.must_call = body["tool_choice"]["function"]["name"].as_str().map(str::to_owned);
    if body["tool_choice"] == "required" && seen.tools.len() == 1 {
        seen.must_call = seen.tools.first().cloned();
    }
    let mut wrong = Vec::new();
    for (at, message) in list(body, "messages").iter().enumerate() {
        wrong.extend(read_message(at, message, seen));
    }
    if seen.messages.is_empty() {
        wrong.push(
            "Invalid 'messages': empty array. Expected an array with minimum length 1".into(),
        );
    }
    wrong.extend(check::pairing(&seen.messages).map(pairing_flaw));
    wrong.extend(check::images(&seen.messages));
    wrong
}

fn read_message(at: usize, message: &Value, seen: &mut Seen) -> Option<String> {
    let content = &message["content"];
    match text(message, "role") {
        "system" | "developer" => {
            seen.system += &all_text(content);
            None
        }
        "user" => {
            let images = list(message, "content").iter().filter_map(image);
            seen.messages.push(Message {
                text: all_text(content),
                images: images.collect(),
                ..Message::of(Role::User)
            });
            None
        }
        "assistant" => {
            let calls = list(message, "tool_calls").iter().map(read_call);
            let calls: Vec<_> = calls.collect();
            let flawed = calls.iter().any(|c| c.call.arguments.is_null());
            let text = all_text(content);
            let empty = text.is_empty() && calls.is_empty();
            seen.messages.push(Message { text, calls, ..Message::of(Role::Model) });
            if empty {
                return Some(format!(
                    "Invalid value for 'content': expected a string, got null. (messages.[{at}])"
                ));
            }
            flawed.then(|| {
                format!(
                    "Invalid type for 'messages[{at}].tool_calls[0].function.arguments': \
                         expected a string, but got an object instead."
                )
            })
        }
        "tool" => read_result(at, message, seen),
        role => Some(format!(
            "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', \
             'function', 'tool', and 'developer'."
        )),
    }
}

/// Results of one turn become one message.
fn read_result(at: usize, message: &Value, seen: &mut Seen) -> Option<String> {
    let content = &message["content"];
    let result = Outcome { call: text(message, "tool_call_id").into(), text: all_text(content) };
    match seen.messages.last_mut() {
        Some(last) if !last.results.is_empty() && last.text.is_empty() => last.results.push(result),
        _ => seen.messages.push(Message { results: vec![result], ..Message::of(Role::User) }),
    }
    let pictured = list(message, "content").iter().any(|part| part["type"] != "text");
    pictured.then(|| {
        format!(
            "Invalid 'messages[{at}]'. Image URLs are only allowed for messages with role \
                 'user', but this message with role 'tool' contains an image URL."
        )
    })
}

fn read_call(call: &Value) -> Asked {
    let function = &call["function"];
    // Null where it is not the string it must be.
    let arguments = function["arguments"].as_str().map_or(Value::Null, |arguments| {
        serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments))
    });
    Asked {
        id: Some(text(call, "id").into()),
        call: Call { tool: text(function, "name").into(), arguments },
    }
}

fn pairing_flaw(flaw: Pairing) -> String {
    match flaw {
        Pairing::Unanswered(_, ids) => format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding \
             to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        ),
        Pairing::Unasked(at, _) => format!(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding \
             message with 'tool_calls'. (message {at})"
        ),
        Pairing::Twice(_, id) | Pairing::SameId(_, id) => {
            format!("Duplicate value for 'tool_call_id': '{id}'.")
        }
    }
}

/// Text, however it is given.
fn all_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().map(|part| text(part, "text")).collect::<Vec<_>>().join("")
        }
        _ => String::new(),
    }
}

fn image(part: &Value) -> Option<Image> {
    let url = part["image_url"]["url"].as_str()?;
    // An address in the web is not a picture here: nobody would fetch it.
    let (kind, base64) =
        url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).unwrap_or(("", url));
    Some(Image { media_type: Some(kind.into()), base64: base64.into() })
}
