//! The limits of a job by their names: one of `--limit NAME=VALUE`, or of the settings.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use types::Limits;

use crate::value;

/// One field of [`Limits`], as the API takes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    name: String,
    value: Value,
}

/// The `limits` of a request; of two values for one limit the later one counts.
pub(crate) fn body(limits: &[Limit]) -> Value {
    let fields = limits.iter().map(|limit| (limit.name.clone(), limit.value.clone()));
    Value::Object(fields.collect())
}

/// These limits with one of them changed.
///
/// # Errors
/// Says what was expected of the value.
pub(crate) fn with(limits: Limits, name: &str, text: &str) -> Result<Limits> {
    changed(limits, name, value_of(name, text)?)
}

/// Whether one of these limits is above its ceiling. Keys are those of settings: what comes after
/// their last dot is the limit's name.
pub(crate) fn exceeds(limits: Limits, ceilings: Limits, key: &str) -> bool {
    let of = |limits: Limits| json!(limits)[name_in(key)].as_f64();
    of(limits) > of(ceilings)
}

/// These limits with one of them taken from the others.
pub(crate) fn replaced(limits: Limits, others: Limits, key: &str) -> Result<Limits> {
    let name = name_in(key);
    changed(limits, name, json!(others)[name].clone())
}

/// One of these limits, as it could be given.
pub(crate) fn shown(limits: Limits, name: &str) -> Option<String> {
    let value = json!(limits).get(name)?.clone();
    Some(match value.as_u64() {
        Some(bytes) if is_size(name) => value::shown_size(bytes),
        Some(seconds) if is_time(name) => value::shown_time(seconds),
        _ => value.as_f64()?.to_string(),
    })
}

/// All of these limits, as they could be given: `NAME=VALUE`.
pub(crate) fn shown_all(limits: Limits) -> Vec<String> {
    let names = names().unwrap_or_default().into_iter().map(|(name, _)| name);
    names.filter_map(|name| Some(format!("{name}={}", shown(limits, &name)?))).collect()
}

impl FromStr for Limit {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = names()?;
        let split = text.split_once('=').filter(|(name, _)| names.contains_key(*name));
        let Some((name, value)) = split else {
            let names: Vec<_> = names.keys().map(String::as_str).collect();
            bail!("expected NAME=VALUE with a NAME of {}", names.join(", "));
        };
        let value = value_of(name, value)?;
        changed(Limits::default(), name, value.clone())?;
        Ok(Self { name: name.into(), value })
    }
}

fn name_in(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Every limit there is.
fn names() -> Result<Map<String, Value>> {
    serde_json::from_value(json!(Limits::default())).context("list the limits")
}

fn changed(limits: Limits, name: &str, value: Value) -> Result<Limits> {
    let mut fields = json!(limits);
    fields[name] = value;
    let limits: Limits = serde_json::from_value(fields).context("the number is too large")?;
    limits.validate()?;
    Ok(limits)
}

fn value_of(name: &str, text: &str) -> Result<Value> {
    if is_size(name) {
        return Ok(value::size(text)?.into());
    }
    if is_time(name) {
        return Ok(value::time(text)?.into());
    }
    match text.parse::<u64>() {
        Ok(whole) => Ok(whole.into()),
        Err(_) if name == "cpus" => fraction(text, "expected a number of cores, such as 1.5"),
        Err(_) if name == "cost_usd" => fraction(text, "expected dollars, such as 2.50"),
        Err(_) => bail!("expected a whole number"),
    }
}

fn fraction(text: &str, expected: &'static str) -> Result<Value> {
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from).context(expected)
}

fn is_size(name: &str) -> bool {
    name.ends_with("_bytes")
}

fn is_time(name: &str) -> bool {
    name.ends_with("_seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        let all = ["cpus=0.5", "memory_bytes=1G", "memory_bytes=512M", "wall_seconds=5m"];
        let limits: Vec<_> = all.iter().map(|text| text.parse().unwrap()).collect();
        let expected = json!({ "cpus": 0.5, "memory_bytes": 536_870_912, "wall_seconds": 300 });
        assert_eq!(body(&limits), expected);
        for limit in ["wall_seconds=90", "processes=64", "output_bytes=4K", "cpus=2"] {
            limit.parse::<Limit>().unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_does() {
        let refused = |text: &str| format!("{:#}", text.parse::<Limit>().unwrap_err());
        for name in names().unwrap().keys() {
            assert!(refused("ram=1").contains(name.as_str()));
            assert!(refused(&format!("{name}=much")).contains("expected "), "{name}");
        }
        assert!(refused("cpus").contains("NAME=VALUE"));
        assert!(refused("memory_bytes=1g").contains("512M"));
        assert!(refused("memory_bytes=99999999999999999G").contains("a size"));
        assert!(refused("processes=1.5").contains("a whole number"));
        assert!(refused("processes=99999999999").contains("too large"));
        assert!(refused("processes=1").contains("between"));
        assert!(refused("cpus=NaN").contains("number of cores"));
    }

    #[test]
    fn what_is_shown_can_be_given() {
        for name in names().unwrap().keys() {
            let text = shown(Limits::default(), name).unwrap();
            assert_eq!(with(Limits::default(), name, &text).unwrap(), Limits::default(), "{name}");
        }
        assert_eq!(shown(Limits::default(), "memory_bytes").as_deref(), Some("2G"));
        let all = shown_all(Limits::default());
        assert_eq!(all.len(), 12);
        assert!(all.iter().all(|limit| limit.parse::<Limit>().is_ok()), "{all:?}");
        assert_eq!(shown(Limits::default(), "cpus").as_deref(), Some("2"));
    }
}
