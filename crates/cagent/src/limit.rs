//! `--limit NAME=VALUE`: one of the job's limits, checked before anything is sent.

use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Map, Value, json};
use types::Limits;

/// One field of [`Limits`], as the API takes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    name: String,
    value: Value,
}

/// The `limits` of a request; of two values for one limit the later one counts.
pub(crate) fn body(limits: Vec<Limit>) -> Value {
    Value::Object(limits.into_iter().map(|limit| (limit.name, limit.value)).collect())
}

impl FromStr for Limit {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let names = names()?;
        let split = text.split_once('=').filter(|(name, _)| names.contains_key(*name));
        let Some((name, value)) = split else {
            let names: Vec<_> = names.keys().map(String::as_str).collect();
            bail!("expected NAME=VALUE with a NAME of {}", names.join(", "));
        };
        let value = value_of(name, value)
            .ok_or_else(|| anyhow!("expected {}, not {value:?}", expected(name)))?;
        let limit = Self { name: name.into(), value };
        let limits: Limits = serde_json::from_value(body(vec![limit.clone()]))
            .with_context(|| format!("{name}: expected {}", expected(name)))?;
        limits.validate()?;
        Ok(limit)
    }
}

/// Every limit there is.
fn names() -> anyhow::Result<Map<String, Value>> {
    serde_json::from_value(json!(Limits::default())).context("list the limits")
}

fn value_of(name: &str, text: &str) -> Option<Value> {
    if name.ends_with("_bytes") {
        return with_unit(text, &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)]);
    }
    if name.ends_with("_seconds") {
        return with_unit(text, &[("s", 1), ("m", 60), ("h", 3600)]);
    }
    let number: serde_json::Number = text.parse().ok()?;
    Some(number.into())
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<Value> {
    let mut found = units.iter().filter_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = found.next().unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(size).map(Value::from)
}

fn expected(name: &str) -> &'static str {
    match name {
        "cpus" => "a number of cores, such as 1.5",
        name if name.ends_with("_bytes") => "a size, such as 1048576, 512M or 2G (K, M, G: 1024)",
        name if name.ends_with("_seconds") => "a time, such as 90, 30s, 5m or 1h",
        _ => "a whole number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        let all = ["cpus=0.5", "memory_bytes=1G", "memory_bytes=512M", "wall_seconds=5m"];
        let limits = all.iter().map(|text| text.parse().unwrap()).collect();
        let expected = json!({ "cpus": 0.5, "memory_bytes": 536_870_912, "wall_seconds": 300 });
        assert_eq!(body(limits), expected);
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
        assert!(refused("processes=1").contains("between"));
    }
}
