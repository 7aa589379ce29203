use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::scripted::Reply;
use testkit::{Client, PATIENCE};
use tokio::time::{sleep, timeout};

pub(crate) const CAGENT: &str = env!("CARGO_BIN_EXE_cagent");

/// Reads the text with the parser of Prometheus' own client for Python, which is a strict one.
const PARSER: &str = "\
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
samples = [s for family in parse(sys.stdin.read()) for s in family.samples]
print(json.dumps([[s.name, s.labels, s.value] for s in samples]))
";

/// What `/metrics` said at one moment.
#[derive(Debug)]
pub(crate) struct Numbers(Vec<(String, BTreeMap<String, String>, f64)>);

impl Numbers {
    pub(crate) async fn of(client: &Client) -> Self {
        let answer = client.get("/metrics").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        Self::parse(&answer.text().await.unwrap())
    }

    /// Those of when this is true of them.
    pub(crate) async fn when(client: &Client, is_so: impl Fn(&Self) -> bool) -> Self {
        let wanted = async {
            loop {
                let numbers = Self::of(client).await;
                if is_so(&numbers) {
                    return numbers;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(PATIENCE, wanted).await {
            Ok(numbers) => numbers,
            Err(_) => panic!("it never came to that: {:#?}", Self::of(client).await),
        }
    }

    fn parse(text: &str) -> Self {
        let mut python = Command::new("/usr/bin/python3")
            .args(["-c", PARSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let parsed = python.wait_with_output().unwrap();
        assert!(
            parsed.status.success(),
            "no OpenMetrics text, or no parser (Debian: python3-prometheus-client); see above:\n{text}"
        );
        Self(serde_json::from_slice(&parsed.stdout).unwrap())
    }

    /// The sum of all samples of this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| of.get(*name).is_some_and(|of| of == value))
        };
        self.0.iter().filter(|(of, labels, _)| of == name && has(labels)).map(|(.., n)| n).sum()
    }

    /// The one sample without labels.
    pub(crate) fn one(&self, name: &str) -> f64 {
        let all: Vec<_> = self.0.iter().filter(|(of, ..)| of == name).collect();
        let [(_, _, value)] = all[..] else { panic!("{name}: {all:?}") };
        *value
    }

    /// The values of all labels.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(_, labels, _)| labels.values().map(String::as_str))
    }
}

/// A runbook of one block.
pub(crate) fn bash(code: &str) -> String {
    format!("```bash\n{code}\n```\n")
}

/// A model's last word.
pub(crate) fn finish() -> Reply {
    Reply::call("finish", json!({ "summary": "Done.", "artifacts": [], "checks": [] }))
}

/// What `/readyz` says, and with which status.
pub(crate) async fn readiness(client: &Client) -> (StatusCode, Value) {
    let answer = client.get("/readyz").await;
    (answer.status(), answer.json().await.unwrap())
}
