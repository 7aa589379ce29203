//! `cagent status`.

use std::process::ExitCode;

use api::Job;
use types::JobStatus;

use crate::args::Format;
use crate::job_name::JobName;
use crate::place::Place;
use crate::{output, text};

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
        ("not enforced", not_enforced(job)),
        ("used", used(job)),
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

fn used(job: &Job) -> Option<String> {
    let usage = job.usage?;
    let cpu = usage.cpu_ms.map(|ms| format!("{ms} ms of processor time"));
    let memory = usage.memory_peak_bytes.map(|peak| format!("{} of memory", text::size(peak)));
    let all: Vec<_> = cpu.into_iter().chain(memory).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
