//! Extractors whose refusals are [`Problem`]s that say what to do.

use std::error::Error as _;
use std::fmt;
use std::marker::PhantomData;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use types::JobId;

use crate::code::Code;
use crate::problem::Problem;
use crate::wording::invalid_field;

/// The parameters after the `?`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(e) => Err(bad_query(&e)),
        }
    }
}

/// The `{id}` of the path.
#[derive(Debug)]
pub(crate) struct JobPath(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let malformed = |why: String| Problem::new(Code::MalformedId, why);
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|e| malformed(e.body_text()))?;
        let text = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, text)| text);
        text.parse().map(Self).map_err(|e| malformed(format!("{text:?} is {e}")))
    }
}

/// The cause's text is `field: what is wrong`, or only the latter.
fn bad_query(rejection: &QueryRejection) -> Problem {
    let text = rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string);
    let (field, what) = text.split_once(": ").unwrap_or((".", &text));
    invalid_field(field, what)
}

/// Refuses a body that is not announced as JSON.
pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let what = match given.as_deref() {
        Some(given) if is_json(given) => return Ok(()),
        Some(given) => format!("the body is announced as {given:?}"),
        None => "the body is not announced".into(),
    };
    let cure = "send JSON and say so: -H 'Content-Type: application/json'";
    Err(Problem::new(Code::MediaType, format!("{what}; {cure}")))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads a body of JSON: one object with the fields of `T`, such as `example`.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Problem> {
    let body = std::str::from_utf8(body).map_err(|e| not_json(&e, example))?;
    // Of a wrong field serde_json may say the same as of broken JSON.
    serde_json::from_str::<IgnoredAny>(body).map_err(|e| not_json(&e, example))?;
    // Our structs could be read from an array too; nobody means that.
    if !body.trim_ascii_start().starts_with('{') {
        return Err(Problem::new(Code::InvalidField, "the body must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| bad_body(&e))
}

/// Reads a field that must be an object, or nothing: serde takes an array for a struct too.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    value.deserialize_any(Object(PhantomData))
}

fn not_json(error: &dyn std::error::Error, example: &str) -> Problem {
    let detail = format!("the body is not JSON: {error}; expected JSON such as {example}");
    Problem::new(Code::InvalidJson, detail)
}

fn bad_body(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let (cause, text) = (error.inner(), error.inner().to_string());
    let place = format!(" at line {} column {}", cause.line(), cause.column());
    invalid_field(&error.path().to_string(), text.strip_suffix(&place).unwrap_or(&text))
}
