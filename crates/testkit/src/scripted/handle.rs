//! From a request to its answer: read, check, look up what is due, write, spoil.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Answer, Stop};
use super::dialect::{self, Dialect, Incoming, words};
use super::director::Due;
use super::refusal::Refusal;
use super::spoil::spoil;
use super::state::State;
use super::wire::Wire;
use super::{Fault, Overflow, Reply, Seen, overflow};

/// What the connection does.
#[derive(Debug)]
pub(super) enum Reaction {
    Answer(Wire),
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and nothing comes.
    Silence,
}

/// Answers a request of anybody's.
pub(super) async fn handle(
    state: &State,
    head: &hyper::http::request::Parts,
    body: Bytes,
) -> Reaction {
    let path = head.uri.path();
    if let Some(provider) = dialect::route(path) {
        let dialect = dialect::of(provider);
        let (seen, refusal) = receive(state, provider, dialect, head, body);
        return match refusal {
            Some(refusal) => Reaction::Answer(refused(&seen, dialect, &refusal)),
            None => perform(state, dialect, seen).await,
        };
    }
    if path == "/scripted" {
        return Reaction::Answer(Wire::json(200, &state.report()));
    }
    if let Some(about) = dialect::about(path, &state.models(super::Provider::Ollama)) {
        return Reaction::Answer(Wire::json(200, &about));
    }
    state.complain(format!("nobody has the path {} {path}", head.method));
    Reaction::Answer(Wire::whole(404, "text/plain", "404 page not found"))
}

/// Reads and checks; records.
fn receive(
    state: &State,
    provider: super::Provider,
    dialect: &dyn Dialect,
    head: &hyper::http::request::Parts,
    bytes: Bytes,
) -> (Seen, Option<Refusal>) {
    let query = head.uri.query().unwrap_or_default();
    let key = dialect.key(&head.headers, query);
    let mut seen = Seen::new(state.number(), provider, key, bytes.clone());
    let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
    let mut wrong = match &parsed {
        Ok(body) => {
            let (path, headers) = (head.uri.path(), &head.headers);
            dialect.read(&Incoming { path, query, headers, body }, &mut seen)
        }
        Err(error) => vec![format!("the body is no JSON: {error}")],
    };
    words::read(&mut seen);
    if head.method != hyper::Method::POST {
        wrong.push(format!("{} is not allowed here", head.method));
    }
    seen.count(state.bytes_per_token(provider));
    let refusal = refusal(state, &seen, &wrong);
    state.record(&seen, refusal.as_ref().map(|r| r.message.as_str()), &wrong);
    (seen, refusal)
}

fn refusal(state: &State, seen: &Seen, wrong: &[String]) -> Option<Refusal> {
    if !state.is_key(seen.provider, &seen.key) {
        return Some(Refusal::key(seen.provider, &seen.key));
    }
    let models = state.known_models(seen.provider);
    if models.is_some_and(|models| !models.contains(&seen.model)) {
        return Some(Refusal::model(seen.provider, &seen.model));
    }
    // Alchemyst answers whatever it is sent.
    let strict = seen.provider != super::Provider::Alchemyst;
    wrong.first().filter(|_| strict).map(Refusal::wrong)
}

fn refused(seen: &Seen, dialect: &dyn Dialect, refusal: &Refusal) -> Wire {
    let mut wire = match refusal.status {
        // What stands before a provider answers with pages, not in its dialect.
        502 => Wire::whole(
            502,
            "text/html",
            "<html><head><title>502 Bad Gateway</title></head>\
                           <body><center><h1>502 Bad Gateway</h1></center></body></html>",
        ),
        status => Wire::json(status, &dialect.refusal(refusal)),
    };
    wire.headers.extend(refusal.hint_headers(seen.provider));
    wire.headers.push(("x-request-id", format!("req_{:x}", seen.number)));
    wire
}

/// Says what is due.
async fn perform(state: &State, dialect: &dyn Dialect, mut seen: Seen) -> Reaction {
    if let Some(wire) = too_long(state, dialect, &mut seen) {
        return Reaction::Answer(wire);
    }
    let Some(Due { reply, fault }) = state.due(&seen) else {
        state.complain(format!(
            "request {} ({}): the scenario has nothing more to say",
            seen.number,
            seen.provider.as_str()
        ));
        let refusal = Refusal::wrong("the scenario has nothing more to say");
        return Reaction::Answer(refused(&seen, dialect, &refusal));
    };
    if reply.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reply.latency_ms)).await;
    }
    match &fault {
        Some(Fault::Reset) => return Reaction::Reset,
        Some(Fault::Close) => return Reaction::Close,
        Some(Fault::StallHeaders) => return Reaction::Silence,
        _ => {}
    }
    let refusal = fault.as_ref().and_then(|f| Refusal::of(f, seen.provider, seen.tokens));
    if let Some(refusal) = refusal {
        return Reaction::Answer(refused(&seen, dialect, &refusal));
    }
    Reaction::Answer(spoken(state, dialect, &seen, reply, fault.as_ref()))
}

fn spoken(
    state: &State,
    dialect: &dyn Dialect,
    seen: &Seen,
    mut reply: Reply,
    fault: Option<&Fault>,
) -> Wire {
    if let Some(Fault::Huge { bytes }) = fault {
        let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX);
        reply.text = "All work and no play. ".chars().cycle().take(bytes).collect();
        reply.calls.clear();
    }
    let answer = match fault {
        Some(Fault::Overflow { form, window }) => overflown(seen, &reply, *form, *window),
        _ => Answer::new(seen, &reply, fault),
    };
    state.spent(answer.usage);
    let mut wire = dialect.answer(seen, &answer);
    wire.pause = Duration::from_millis(reply.frame_ms);
    match fault {
        Some(fault) => spoil(wire, fault, dialect.error_frame()),
        None => wire,
    }
}

/// What becomes of a request that does not fit; one that Ollama cuts is cut.
fn too_long(state: &State, dialect: &dyn Dialect, seen: &mut Seen) -> Option<Wire> {
    let (window, form) = state.window(seen)?;
    let room = if form.counts_output() { seen.max_output_tokens.unwrap_or(0) } else { 0 };
    let tokens = seen.tokens + room;
    if tokens <= window {
        return None;
    }
    state.overflown();
    match form {
        Overflow::Silent => {
            seen.cut_to(window, state.bytes_per_token(seen.provider));
            None
        }
        Overflow::Usage => None,
        Overflow::Length => Some(dialect.answer(seen, &Answer::nothing(seen, Stop::Length))),
        Overflow::AnthropicStop => Some(dialect.answer(seen, &Answer::nothing(seen, Stop::Window))),
        _ => {
            let refusal = overflow::refusal(form, seen.provider, tokens, window)?;
            Some(refused(seen, dialect, &refusal))
        }
    }
}

/// The same as a fault, whatever the length.
fn overflown(seen: &Seen, reply: &Reply, form: Overflow, window: u64) -> Answer {
    match form {
        Overflow::Length => Answer::nothing(seen, Stop::Length),
        Overflow::AnthropicStop => Answer::nothing(seen, Stop::Window),
        _ => {
            let mut answer = Answer::new(seen, reply, None);
            if let Some(usage) = &mut answer.usage {
                usage.input = usage.input.max(window + 1);
            }
            answer
        }
    }
}

/// What the program reports of itself.
pub(super) fn report(counters: &super::Counters, complaints: &[String]) -> Value {
    json!({ "counters": counters, "complaints": complaints })
}
