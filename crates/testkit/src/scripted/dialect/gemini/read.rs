use serde_json::Value;

use super::model_and_method;
use crate::scripted::dialect::{Incoming, check, list, text};
use crate::scripted::seen::{Asked, Image, Message, Outcome, Role, push_line};
use crate::scripted::{Call, Seen, sign};

/// The request, and what is wrong with it.
pub(super) fn request(incoming: &Incoming<'_>, seen: &mut Seen) -> Vec<String> {
    let body = incoming.body;
    let (model, method) = model_and_method(incoming.path).unwrap_or_default();
    seen.model = model.into();
    seen.stream = method == "streamGenerateContent";
    let config = &body["generationConfig"];
    seen.max_output_tokens = config["maxOutputTokens"].as_u64();
    let system = list(&body["systemInstruction"], "parts").iter().map(|part| text(part, "text"));
    seen.system = system.collect::<Vec<_>>().join("\n");
    let declared = list(body, "tools").iter().flat_map(|t| list(t, "functionDeclarations"));
    seen.tools = declared.map(|f| text(f, "name").to_owned()).collect();
    seen.native_tools = !seen.tools.is_empty();
    let calling = &body["toolConfig"]["functionCallingConfig"];
    let allowed = list(calling, "allowedFunctionNames");
    if calling["mode"] == "ANY" && allowed.len() == 1 {
        seen.must_call = allowed[0].as_str().map(str::to_owned);
    }
    let contents = list(body, "contents");
    let mut wrong = Vec::new();
    for content in contents {
        let (message, flaw) = read_content(content);
        seen.messages.push(message);
        wrong.extend(flaw);
    }
    if contents.is_empty() {
        wrong.push("* GenerateContentRequest.contents: contents is not specified".into());
    }
    if seen.stream && !incoming.query.split('&').any(|pair| pair == "alt=sse") {
        wrong.push("without alt=sse the stream is a JSON array, which nobody here reads".into());
    }
    wrong.extend(flaws(seen));
    wrong.extend(signature_flaw(&seen.model, contents));
    wrong
}

fn read_content(content: &Value) -> (Message, Option<String>) {
    let mut flaw = None;
    let role = if text(content, "role") == "model" { Role::Model } else { Role::User };
    let mut message = Message::of(role);
    for part in list(content, "parts") {
        if let Some(call) = part.get("functionCall") {
            message.calls.push(read_call(call));
            if !call["args"].is_object() {
                flaw = Some(
                    "Invalid value at 'contents.parts.function_call.args': not a Struct".into(),
                );
            }
        } else if let Some(response) = part.get("functionResponse") {
            message.results.push(read_response(response));
            message.images.extend(list(response, "parts").iter().filter_map(image));
            if !response["response"].is_object() {
                flaw = Some(
                    "Invalid value at 'contents.parts.function_response.response': not a \
                             Struct"
                        .into(),
                );
            }
        } else if let Some(image) = image(part) {
            message.images.push(image);
        } else if part["text"].is_string() {
            if part["thought"] != true {
                message.push_text(text(part, "text"));
            }
        } else {
            flaw = Some("Unable to submit request because it must have a text parameter.".into());
        }
    }
    if list(content, "parts").is_empty() {
        flaw = Some(
            "* GenerateContentRequest.contents.parts: contents.parts must not be empty.".into(),
        );
    }
    (message, flaw)
}

fn read_call(call: &Value) -> Asked {
    let tool = text(call, "name").to_owned();
    let id = call["id"].as_str().map(str::to_owned);
    Asked { id, call: Call { tool, arguments: call["args"].clone() } }
}

fn read_response(response: &Value) -> Outcome {
    let mut all = String::new();
    for value in response["response"].as_object().into_iter().flat_map(|fields| fields.values()) {
        push_line(&mut all, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let call = response["id"].as_str().unwrap_or(text(response, "name"));
    Outcome { call: call.into(), text: all }
}

fn image(part: &Value) -> Option<Image> {
    let data = part.get("inlineData")?;
    let media_type = Some(text(data, "mimeType").into());
    Some(Image { media_type, base64: text(data, "data").into() })
}

fn flaws(seen: &Seen) -> Option<String> {
    if check::alternation(&seen.messages).is_some() {
        return Some(
            "Please ensure that multiturn requests alternate between user and model.".into(),
        );
    }
    if let Some(flaw) = check::images(&seen.messages) {
        return Some(format!("Unable to process input image: {flaw}"));
    }
    let nothing = Message::default();
    (0..seen.messages.len()).find_map(|at| {
        let before = if at == 0 { &nothing } else { &seen.messages[at - 1] };
        unpaired(before, &seen.messages[at], at + 1 == seen.messages.len())
    })
}

/// Ids are optional, so calls and responses are matched by number, by id where both have one, and
/// by name.
fn unpaired(before: &Message, message: &Message, is_last: bool) -> Option<String> {
    if before.calls.len() != message.results.len() {
        return Some(
            "Please ensure that the number of function response parts is equal to the number of \
             function call parts of the function call turn."
                .into(),
        );
    }
    if is_last && !message.calls.is_empty() {
        return Some(
            "Please ensure that function response turn comes immediately after a function call \
             turn."
                .into(),
        );
    }
    let known = |result: &&Outcome| {
        before
            .calls
            .iter()
            .any(|c| c.id.as_ref() == Some(&result.call) || c.call.tool == result.call)
    };
    let stray = message.results.iter().find(|result| !known(result))?;
    Some(format!("Function response {:?} answers no function call of the turn before.", stray.call))
}

/// Signatures of the current turn's calls: of those after the last words of the user. Version 3 and
/// later insist on one for the first call of each step; what is there must be what was given.
fn signature_flaw(model: &str, contents: &[Value]) -> Option<String> {
    let is_words = |content: &Value| {
        let parts = list(content, "parts");
        text(content, "role") != "model"
            && !parts.iter().any(|p| p.get("functionResponse").is_some())
    };
    let current = contents.iter().rposition(is_words).unwrap_or(0);
    contents.iter().enumerate().find_map(|(at, content)| {
        let mut calls = list(content, "parts").iter().filter(|p| p.get("functionCall").is_some());
        let first = calls.next()?;
        let insists = at > current && (model.contains("gemini-3") || model.contains("gemini-4"));
        match first["thoughtSignature"].as_str() {
            None => insists.then(|| sign::MISSING.into()),
            Some(given) => {
                (!is_ours(model, &first["functionCall"], given)).then(|| sign::CORRUPTED.into())
            }
        }
    })
}

fn is_ours(model: &str, call: &Value, signature: &str) -> bool {
    let signed = format!("{}{}", text(call, "name"), call["args"]);
    signature == sign::PLACEHOLDER || signature == sign::sign(model, &signed)
}
