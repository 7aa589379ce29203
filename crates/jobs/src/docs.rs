//! What docs/monitoring.md says of the numbers is what `/metrics` says of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use store::{Census, Commits, JobState};
use types::{Ending, JobStatus, ModelCall, TokenUsage, Usd};

use crate::bed;
use crate::gauges::{self, Standing};
use crate::metrics::Metrics;
use crate::process::Process;

const BEGIN: &str = "<!-- Made from crates/jobs/src/{metrics,gauges}.rs; after a change of them: \
                     UPDATE=1 cargo test -p jobs docs -->\n";
const END: &str = "<!-- end -->\n";
const HEAD: &str = "| name | kind | labels | |\n|---|---|---|---|\n";

#[test]
fn every_number_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the line before the table");
    let (_, after) = rest.split_once(END).expect("the line after the table");
    let wanted = format!("{before}{BEGIN}{HEAD}{}{END}{after}", rows(&everything()));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &wanted).unwrap();
    } else {
        assert!(text == wanted, "docs/monitoring.md is old; UPDATE=1 cargo test -p jobs docs");
    }
}

/// A text in which everything has been counted once.
fn everything() -> String {
    let now = Timestamp::UNIX_EPOCH;
    let metrics = Metrics::new(&Commits::default());
    let ending = Some(Ending::complete());
    let job = JobState { status: JobStatus::Complete, ending, ..JobState::new(now) };
    metrics.moved(&job, now);
    metrics.engine_failed("local", "list");
    metrics.told("delivered", 1);
    metrics.model_called(&ModelCall {
        provider: "gemini".into(),
        model: "m".into(),
        usage: TokenUsage::default(),
        cost_usd: Some(Usd { micros: 1 }),
        millis: 1,
        error: None,
    });
    metrics.connection_closed(&bed::egress());
    let census = Some(Census { jobs: vec![], oldest_waiting: None, result_bytes: 0, messages: 0 });
    let process = Process::look();
    let standing = Standing {
        census,
        queue_age: 0.0,
        free_bytes: 0,
        reserve_bytes: 0,
        process,
        not_enforced: vec![("local".into(), "disk".into())],
    };
    gauges::text(&metrics, &standing)
}

/// The table's rows: what stands in the comments, and the names of labels.
fn rows(text: &str) -> String {
    let labels = labels(text);
    let comment = |kind: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix(kind)?.split_once(' '))
    };
    let kinds: BTreeMap<_, _> = comment("# TYPE ").collect();
    comment("# HELP ")
        .map(|(name, help)| {
            let kind = kinds[name];
            let end = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let of = labels.iter().find(|(of, _)| *of == &format!("{name}{end}"));
            let of = of.map(|(_, labels)| labels.join(", ")).unwrap_or_default();
            format!("| `{name}{end}` | {kind} | {of} | {} |\n", help.trim_end_matches('.'))
        })
        .collect()
}

/// The labels of each sample's name.
fn labels(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((inside, _)) = rest.split_once('}') else { continue };
        let names = inside.split(',').filter_map(|label| label.split_once('='));
        let names = names.map(|(label, _)| format!("`{label}`"));
        all.entry(name.to_owned()).or_default().extend(names);
    }
    all.into_iter().map(|(name, labels)| (name, labels.into_iter().collect())).collect()
}
