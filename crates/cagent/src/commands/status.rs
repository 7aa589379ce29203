//! `cagent status`.

use std::process::ExitCode;
use std::time::Duration;

use api::Job;
use types::{JobStatus, Network, Usage};

use crate::args::Format;
use crate::job_name::JobName;
use crate::place::Place;
use crate::{limit, output, text, value};

pub(super) async fn status(
    place: Place,
    job: &JobName,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let job = place.client().job(job.id(place.client()).await?).await?;
    place.say_if_nobody_runs([job.status]);
    place.close().await;
    match format {
        Format::Json => output::json(&job)?,
        Format::Text => {
            for (name, value) in facts(&job) {
                output::line(&format!("{name:<14}{}", text::one_line(&value)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is to say about a job, by name.
fn facts(job: &Job) -> Vec<(&'static str, String)> {
    let facts = [
        ("job", Some(job.job_id.to_string())),
        ("title", Some(job.title.clone())),
        ("status", Some(job.status.to_string())),
        ("error", job.error.clone().filter(|_| job.status == JobStatus::Error)),
        ("exit code", job.exit_code.map(|code| code.to_string())),
        ("created", Some(format!("{:.0}", job.created))),
        ("started", job.started.map(|at| format!("{at:.0}"))),
        ("completed", job.completed.map(|at| format!("{at:.0}"))),
        ("engine", Some(job.engine.clone())),
        ("limits", Some(limit::shown_all(job.limits).join(", "))),
        ("network", Some(network(&job.network))),
        ("environment", (!job.environment.is_empty()).then(|| job.environment.join(", "))),
        ("not enforced", not_enforced(job)),
        ("used", job.usage.and_then(used)),
        ("ZIP", job.output.clone()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What the platform does not enforce.
fn not_enforced(job: &Job) -> Option<String> {
    let short: Vec<_> = job.sandbox.iter().flat_map(|sandbox| &sandbox.shortfalls).collect();
    let all = short.iter().map(|short| format!("{} ({})", short.what, short.why));
    (!short.is_empty()).then(|| all.collect::<Vec<_>>().join("; "))
}

fn network(network: &Network) -> String {
    match network {
        Network::None => "none: it can reach nothing".into(),
        Network::Open => "open: it can reach the public internet".into(),
        Network::Domains(_) => value::shown_network(network),
    }
}

/// What it used, as far as the platform can tell; what it was refused only if it was.
fn used(usage: Usage) -> Option<String> {
    let time = |ms| text::took(Duration::from_millis(ms));
    let some = |number: Option<u64>| number.filter(|number| *number > 0);
    let all = [
        usage.cpu_ms.map(|ms| format!("{} of processor time", time(ms))),
        some(usage.cpu_throttled_ms).map(|ms| format!("held back for {} by limits.cpus", time(ms))),
        usage.memory_peak_bytes.map(|peak| format!("{} of memory", text::size(peak))),
        some(usage.oom_kills)
            .map(|kills| format!("{} killed for want of memory", text::count(kills, "process"))),
        usage.processes_peak.map(|peak| format!("{} at one time", text::count(peak, "process"))),
        some(usage.processes_refused).map(|refused| {
            format!("{} refused by limits.processes", text::count(refused, "process"))
        }),
        usage.disk_bytes.map(|bytes| format!("{} of disk", text::size(bytes))),
        usage.output_bytes.map(|bytes| format!("{} of output", text::size(bytes))),
        some(usage.egress_sent_bytes).map(|bytes| format!("{} sent", text::size(bytes))),
        some(usage.egress_received_bytes).map(|bytes| format!("{} received", text::size(bytes))),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_said_in_words() {
        let usage = Usage {
            cpu_ms: Some(1500),
            memory_peak_bytes: Some(2048),
            oom_kills: Some(0),
            cpu_throttled_ms: Some(0),
            processes_peak: Some(1),
            processes_refused: Some(2),
            disk_bytes: Some(1024),
            ..Usage::default()
        };
        assert_eq!(
            used(usage).unwrap(),
            "1.5 s of processor time, 2.0 KiB of memory, 1 process at one time, 2 processes \
             refused by limits.processes, 1.0 KiB of disk"
        );
        assert_eq!(used(Usage::default()), None);
    }
}
