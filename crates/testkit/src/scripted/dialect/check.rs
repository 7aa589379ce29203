//! What more than one provider minds.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::scripted::seen::{Image, Message, Role};

/// What is wrong with a picture, if anything: it must be base64 of a PNG or JPEG, and what it is
/// said to be.
pub(super) fn image_flaw(image: &Image) -> Option<String> {
    let Ok(bytes) = BASE64_STANDARD.decode(&image.base64) else {
        return Some("the picture is not valid base64".into());
    };
    let is = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ => return Some("the picture is neither PNG nor JPEG".into()),
    };
    let said = image.media_type.as_deref().unwrap_or(is);
    (said != is).then(|| format!("the picture is said to be {said}, but appears to be {is}"))
}

/// The first of the pictures that is wrong.
pub(super) fn images(messages: &[Message]) -> Option<String> {
    messages.iter().flat_map(|m| &m.images).find_map(image_flaw)
}

/// Where two messages of the same side follow each other; or the first is not the user's.
pub(super) fn alternation(messages: &[Message]) -> Option<usize> {
    let starts_wrong = messages.first().is_some_and(|m| m.role != Role::User);
    let same = messages.windows(2).position(|two| two[0].role == two[1].role);
    if starts_wrong { Some(0) } else { same.map(|at| at + 1) }
}

/// What is wrong with the pairing of calls and results.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// These calls of the message at this place have no result right after it.
    Unanswered(usize, Vec<String>),
    /// This result in the message at this place answers no call of the one before.
    Unasked(usize, String),
    /// This call is answered twice.
    Twice(usize, String),
    /// Two calls of the message at this place have this id.
    SameId(usize, String),
}

/// Looks at the calls of every message of the model and at the results in the message after it.
/// Messages of results belong together here: a dialect merges them when it reads.
pub(super) fn pairing(messages: &[Message]) -> Option<Pairing> {
    let nothing = Message::default();
    (0..messages.len()).find_map(|at| {
        let before = if at == 0 { &nothing } else { &messages[at - 1] };
        let after = messages.get(at + 1).unwrap_or(&nothing);
        unanswered(at, &messages[at], after).or_else(|| unasked(at, before, &messages[at]))
    })
}

fn unanswered(at: usize, message: &Message, after: &Message) -> Option<Pairing> {
    let ids: Vec<&str> = message.calls.iter().filter_map(|c| c.id.as_deref()).collect();
    if let Some(same) = (1..ids.len()).find(|n| ids[..*n].contains(&ids[*n])) {
        return Some(Pairing::SameId(at, ids[same].into()));
    }
    let open = ids.iter().filter(|id| !after.results.iter().any(|r| r.call == **id));
    let open: Vec<String> = open.map(ToString::to_string).collect();
    (!open.is_empty()).then_some(Pairing::Unanswered(at, open))
}

fn unasked(at: usize, before: &Message, message: &Message) -> Option<Pairing> {
    let results = &message.results;
    let asked = |id: &str| before.calls.iter().any(|c| c.id.as_deref() == Some(id));
    if let Some(stray) = results.iter().find(|r| !asked(&r.call)) {
        return Some(Pairing::Unasked(at, stray.call.clone()));
    }
    let twice =
        (1..results.len()).find(|n| results[..*n].iter().any(|r| r.call == results[*n].call));
    twice.map(|n| Pairing::Twice(at, results[n].call.clone()))
}
