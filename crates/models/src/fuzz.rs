//! Whatever may come, for the tests of the dialects: conversations out of order, frames that are
//! nearly right.

use proptest::prelude::*;
use serde_json::{Value, json};
use types::{ModelRequest, ModelTurn, Part, Replay, ToolCall, ToolResult, Turn};

use crate::fixtures::conversation;
use crate::{Provider, history};

/// A conversation for this provider, put in order as every question is.
pub(crate) fn asked(provider: &Provider) -> impl Strategy<Value = ModelRequest> + use<> {
    let provider = provider.clone();
    prop::collection::vec(turn(provider.name()), 0..12).prop_map(move |turns| {
        let request = ModelRequest { turns, ..conversation() };
        history::mended(&request, &provider, true)
    })
}

fn turn(of: String) -> impl Strategy<Value = Turn> {
    prop_oneof![
        parts().prop_map(|parts| Turn::User { parts }),
        model(of).prop_map(Turn::Model),
        prop::collection::vec(result(), 0..4).prop_map(|results| Turn::Results { results }),
    ]
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let picture = Part::Image {
        media_type: "image/png".into(),
        base64: "iVBORw0KGgo=".into(),
        width: 1,
        height: 1,
    };
    prop::collection::vec(prop_oneof![text().prop_map(Part::text), Just(picture)], 0..3)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just(" \n".into()), "[a-zä\n]{1,8}"]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![Just("call_1"), Just("call_2"), Just("functions.shell:0"), Just("")]
        .prop_map(str::to_owned)
}

fn model(of: String) -> impl Strategy<Value = ModelTurn> {
    let arguments = prop_oneof![
        Just(json!({"command": "ls"})),
        Just(json!(r#"{"command": "#)),
        Just(json!([1])),
    ];
    let call = (id(), arguments).prop_map(|(id, arguments)| ToolCall {
        id,
        name: "shell".into(),
        arguments,
        flaw: None,
    });
    let replay = prop::option::of(layout().prop_map(move |data| Replay { of: of.clone(), data }));
    (text(), prop::collection::vec(call, 0..4), replay)
        .prop_map(|(text, calls, replay)| ModelTurn { text, calls, flaw: None, replay })
}

/// Layouts, some of which fit; an agent may send anything.
fn layout() -> impl Strategy<Value = Value> {
    let piece = prop_oneof![
        (0..9usize).prop_map(|bytes| json!({"text": {"bytes": bytes}})),
        Just(json!({"text": {"bytes": 0, "signature": "c2ln"}})),
        Just(json!({"call": {}})),
        Just(json!({"call": {"id": "fc-1", "signature": "c2ln"}})),
        Just(json!({"opaque": {"part": {"type": "thinking", "thinking": "…"}}})),
        Just(json!(7)),
    ];
    prop::collection::vec(piece, 0..5).prop_map(Value::from)
}

fn result() -> impl Strategy<Value = ToolResult> {
    (id(), parts(), any::<bool>()).prop_map(|(call, parts, is_error)| ToolResult {
        call,
        name: "shell".into(),
        parts,
        is_error,
    })
}

/// A frame like one of these: whole, cut, or with something else in one of its places.
pub(crate) fn frame(samples: &'static [&'static str]) -> impl Strategy<Value = String> {
    let other = prop_oneof![
        Just(Value::Null),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!("x")),
        Just(json!([])),
        Just(json!([[{}]])),
        Just(json!({})),
    ];
    let sample = prop::sample::select(samples);
    prop_oneof![
        4 => (sample.clone(), 0..60usize, other).prop_map(|(sample, place, other)| {
            let mut value = serde_json::from_str(sample).unwrap();
            replace(&mut value, &mut { place }, &other);
            value.to_string()
        }),
        1 => (sample.clone(), 0..400usize).prop_map(|(sample, end)| sample.chars().take(end).collect()),
        1 => sample.prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

/// Puts `other` into the place of this number, counted from the root.
fn replace(value: &mut Value, place: &mut usize, other: &Value) -> bool {
    if *place == 0 {
        *value = other.clone();
        return true;
    }
    *place -= 1;
    match value {
        Value::Object(map) => map.values_mut().any(|v| replace(v, place, other)),
        Value::Array(items) => items.iter_mut().any(|v| replace(v, place, other)),
        _ => false,
    }
}
