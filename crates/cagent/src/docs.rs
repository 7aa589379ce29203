//! Checks that `docs/events.md` has every word that programs get to read of a job.

use serde_json::Value;

const EVENTS: &str = include_str!("../../../docs/events.md");

/// The words of the API are those of its description.
#[test]
fn every_event_reason_and_number_is_explained() {
    let api: Value = serde_json::from_str(&api::openapi_json().unwrap()).unwrap();
    let schemas = &api["components"]["schemas"];
    let mut words = strings(&schemas["Reason"]["enum"]);
    for of in ["Usage", "Egress", "Ending", "Event"] {
        words.extend(fields(&schemas[of]));
    }
    for event in schemas["EventKind"]["oneOf"].as_array().unwrap() {
        words.extend(fields(event));
        // What is flattened into an event stands beside its type.
        for part in std::iter::once(event).chain(event["allOf"].as_array().into_iter().flatten()) {
            words.extend(strings(&part["properties"]["type"]["enum"]));
        }
    }
    for known in ["limit:disk", "oom_kills", "step_finished", "egress", "left_out", "ended"] {
        assert!(words.iter().any(|word| word == known), "{known} is none of {words:?}");
    }
    for word in words {
        assert!(EVENTS.contains(&format!("`{word}`")), "docs/events.md says nothing of {word}");
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

fn fields(schema: &Value) -> Vec<String> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}
