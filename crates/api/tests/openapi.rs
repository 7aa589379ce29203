//! The committed description of the API is the one the code makes, and it is complete.

use api::Problem;
use serde_json::Value;

const COMMITTED: &str = include_str!("../openapi.json");

#[test]
fn the_committed_document_is_up_to_date() {
    let made = api::openapi_json().unwrap();
    assert!(made == COMMITTED, "the API changed: run `cargo xtask openapi` and review the diff");
}

#[test]
fn it_is_openapi_3_1() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn every_call_is_described_and_tells_its_refusals() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    for (method, path, refusals) in [
        ("get", "/", false),
        ("post", "/schedule", true),
        ("post", "/submit", true),
        ("get", "/status/{id}", true),
        ("get", "/jobs", true),
        ("get", "/job/{id}", true),
        ("post", "/cancel/{id}", true),
        ("get", "/logs/{id}", true),
        ("get", "/logs/{id}/{stream}", true),
        ("get", "/download/{id}", true),
        ("get", "/v1/jobs/{id}/events", true),
        ("delete", "/v1/jobs/{id}", true),
        ("post", "/v1/jobs/{id}/messages", true),
        ("post", "/v1/jobs/{id}/approval", true),
        ("get", "/v1/jobs/{id}/files/", true),
        ("get", "/v1/jobs/{id}/files/{path}", true),
        ("put", "/v1/jobs/{id}/files/{path}", true),
        ("get", "/docs", false),
        ("get", "/docs/problems", false),
        ("get", "/openapi.json", false),
    ] {
        let call = &document["paths"][path][method];
        assert!(call["summary"].is_string(), "{method} {path} is not described");
        let problem = &call["responses"]["500"]["content"]["application/problem+json"];
        assert_eq!(problem.is_object(), refusals, "{method} {path}");
    }
}

#[test]
fn every_refusal_has_a_fitting_example() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    for (path, call) in document["paths"].as_object().unwrap() {
        for (_, call) in call.as_object().unwrap() {
            for (status, response) in call["responses"].as_object().unwrap() {
                let problem = &response["content"]["application/problem+json"];
                if problem.is_null() {
                    continue;
                }
                let example: Problem = serde_json::from_value(problem["example"].clone()).unwrap();
                assert_eq!(&example.status.to_string(), status, "{path}");
                let code = serde_json::to_value(example.code).unwrap();
                let named = format!("`{}`", code.as_str().unwrap());
                let described = response["description"].as_str().unwrap();
                assert!(described.contains(&named), "{path} {status}: {named}");
            }
        }
    }
}

#[test]
fn the_calls_stand_in_the_order_in_which_one_needs_them() {
    let places = ["/", "/schedule", "/submit", "/status/{id}", "/jobs", "/job/{id}"];
    let places = places.map(|path| COMMITTED.find(&format!("\n    \"{path}\": {{")).unwrap());
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut references = vec![];
    collect(&document, &mut references);
    assert!(references.contains(&"#/components/schemas/Problem"), "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
