//! Package managers in jobs, used as this machine has them configured, wherever that leads: which hosts
//! those are is learnt from the refusals in a job's own log.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::json;
use types::{Egress, EgressVerdict, Event, EventKind, JobId, Reason, Stream};

use crate::{Builder, Server};

/// Runs shell code that installs something, with the hosts it needs and no others, until it is
/// finished; each time on a new server.
///
/// # Panics
/// If it fails, or needs nothing from elsewhere.
pub async fn install(server: impl Fn() -> Builder, code: &str) {
    let mut hosts = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    loop {
        let server = server().env("CAGENT_EGRESS_ALLOW", joined(&addresses)).start().await;
        let prompt = format!("```bash\n{code}\n```\n");
        let body = json!({ "prompt": prompt, "network": hosts, "environment": configuration() });
        let job = server.client().schedule(&body).await;
        let refused = refused(&server, job).await;
        if refused.is_empty() {
            let (log, job) =
                (server.client().log(job, Stream::Stderr).await, server.client().job(job).await);
            let log = String::from_utf8_lossy(&log);
            assert_eq!(job.reason, Some(Reason::Finished), "{log}\n{job:#?}");
            assert!(!hosts.is_empty(), "it went through the proxy");
            return;
        }
        let before = hosts.len();
        for (host, port) in refused {
            let found = tokio::net::lookup_host((&*host, port)).await.expect("its address");
            addresses.extend(found.map(|address| address.ip().to_string()));
            hosts.insert(host);
        }
        assert!(hosts.len() > before, "listed and yet refused");
    }
}

/// Where a job was not let to, once it has ended.
async fn refused(server: &Server, job: JobId) -> BTreeSet<(String, u16)> {
    let is_end = |event: &Event| matches!(event.event, EventKind::Ended { .. });
    let events = server.client().events_until(job, is_end).await.into_iter();
    let refused = events.filter_map(|event| match event.event {
        EventKind::Egress { egress: Egress { host, port, verdict, .. } } => {
            (verdict == EgressVerdict::Refused).then_some((host, port))
        }
        _ => None,
    });
    refused.collect()
}

/// Where this machine's package managers get their packages, as variables.
fn configuration() -> BTreeMap<&'static str, String> {
    let asked = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty() && text != "undefined").then_some(text)
    };
    let index = asked("python3", &["-m", "pip", "config", "get", "global.index-url"]);
    let registry = asked("npm", &["config", "get", "registry"]);
    [("PIP_INDEX_URL", index), ("npm_config_registry", registry)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn joined(all: &BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
