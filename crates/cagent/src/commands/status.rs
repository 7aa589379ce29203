//! `cagent status`.

use std::process::ExitCode;
use std::time::Duration;

use api::Job;
use types::{CheckResult, JobStatus, Mode, Network, Usage};

use crate::args::Format;
use crate::job_name::JobName;
use crate::place::Place;
use crate::progress::{agent, approval};
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
    let checks = job.checks.iter().flatten().map(|check| ("check", Some(check_of(check))));
    let all = outcome(job).into_iter().chain(checks).chain(circumstances(job));
    all.filter_map(|(name, value)| Some((name, value?))).collect()
}

type Fact = (&'static str, Option<String>);

/// How far it is, and what came of it.
fn outcome(job: &Job) -> [Fact; 12] {
    [
        ("job", Some(job.job_id.to_string())),
        ("title", Some(job.title.clone())),
        ("status", Some(status_of(job))),
        ("waiting", job.waiting.as_ref().map(approval::in_short)),
        ("error", job.error.clone().filter(|_| job.status == JobStatus::Error)),
        (
            "resumable",
            job.resumable.then(|| format!("cagent resume {} goes on with it", job.job_id)),
        ),
        ("resumes", job.resumes.map(|old| format!("goes on after job {old}"))),
        ("resumed by", job.resumed_by.map(|new| format!("job {new} goes on after it"))),
        ("exit code", job.exit_code.map(|code| code.to_string())),
        ("summary", job.summary.clone()),
        ("artifacts", job.artifacts.clone().and_then(|all| value::shown_list(all.iter(), ", "))),
        ("verified", job.verified.map(|verified| verified_of(verified, job).into())),
    ]
}

/// How it is run, and what it used.
fn circumstances(job: &Job) -> [Fact; 15] {
    [
        ("mode", Some(text::word(&job.mode))),
        ("model", job.model.as_ref().map(|model| format!("{model} is asked first"))),
        ("approve", job.approve.then(|| "each step waits until it is approved".into())),
        ("created", Some(format!("{:.0}", job.created))),
        ("started", job.started.map(|at| format!("{at:.0}"))),
        ("completed", job.completed.map(|at| format!("{at:.0}"))),
        ("engine", Some(engine(job))),
        ("image", job.image.clone()),
        ("limits", Some(limit::shown_all(job.limits).join(", "))),
        ("network", Some(network(&job.network))),
        ("environment", (!job.environment.is_empty()).then(|| job.environment.join(", "))),
        ("not enforced", not_enforced(job)),
        ("used", job.usage.and_then(used)),
        ("models", job.usage.filter(|_| job.mode == Mode::Agent).and_then(asked)),
        ("ZIP", job.output.clone()),
    ]
}

/// With what stands between the job and the host, once that is known.
fn engine(job: &Job) -> String {
    match &job.sandbox {
        Some(sandbox) => format!("{} (isolation: {})", job.engine, text::word(&sandbox.isolation)),
        None => job.engine.clone(),
    }
}

/// With why it ended, where that is not plain.
fn status_of(job: &Job) -> String {
    match job.reason.as_ref().filter(|_| job.status == JobStatus::Error) {
        Some(reason) => format!("{} ({})", job.status, text::word(reason)),
        None => job.status.to_string(),
    }
}

fn verified_of(verified: bool, job: &Job) -> &'static str {
    match (verified, job.checks.as_deref()) {
        (true, _) => "yes",
        (false, Some([])) => "no: nothing was checked",
        (false, _) => "no",
    }
}

fn check_of(check: &CheckResult) -> String {
    format!("{} {}", if check.passed { '✓' } else { '✗' }, agent::checked(check))
}

/// What models took.
fn asked(usage: Usage) -> Option<String> {
    let calls = usage.model_calls?;
    let tokens = |tokens: Option<u64>| text::count(tokens.unwrap_or(0), "token");
    let cost = usage.cost_usd.map(|cost| format!(", {}", text::dollars(cost)));
    let (read, wrote) = (tokens(usage.input_tokens), tokens(usage.output_tokens));
    let calls = text::count(calls, "call");
    Some(format!("{calls}, {read} read, {wrote} written{}", cost.unwrap_or_default()))
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

    fn job() -> Job {
        let limits = serde_json::to_value(types::Limits::default()).unwrap();
        serde_json::from_value(serde_json::json!({
            "job_id": types::JobId::generate(), "title": "a title", "status": "running",
            "created": "2026-01-01T00:00:00Z", "cancel_requested": false, "prompt": "do it",
            "mode": "agent", "model": "gemini", "approve": true, "engine": "local",
            "limits": limits, "network": "open", "environment": [], "include_caches": false,
            "last_seq": 1, "links": {
                "status": "", "events": "", "logs": "", "stdout": "", "stderr": "",
                "screenshot": "", "tickets": "",
            },
            "waiting": { "for": "approval", "step": 3, "kind": "bash", "title": "ls", "code": "ls" },
        }))
        .unwrap()
    }

    #[track_caller]
    fn assert_fact(job: &Job, fact: (&str, &str)) {
        let facts = facts(job);
        assert!(facts.iter().any(|(name, value)| (*name, &**value) == fact), "{facts:#?}");
    }

    #[test]
    fn a_job_that_waits_says_what_for() {
        assert_fact(&job(), ("status", "running"));
        assert_fact(&job(), ("waiting", "approval of step 3, bash: ls"));
        assert_fact(&job(), ("model", "gemini is asked first"));
        assert_fact(&job(), ("approve", "each step waits until it is approved"));
    }

    #[test]
    fn what_it_runs_in_is_said() {
        assert_fact(&job(), ("engine", "local"));
        let sandbox = types::SandboxReport {
            engine: "local".into(),
            isolation: types::Isolation::Namespace,
            shortfalls: vec![],
        };
        let job = Job { sandbox: Some(sandbox), image: Some("a:1".into()), ..job() };
        assert_fact(&job, ("engine", "local (isolation: namespace)"));
        assert_fact(&job, ("image", "a:1"));
    }

    #[test]
    fn what_an_agent_made_is_said_with_its_checks() {
        let check = |what: &str, passed, found: &str| CheckResult {
            what: what.into(),
            command: None,
            passed,
            found: found.into(),
        };
        let checks = vec![check("a is there", true, "1 byte"), check("b is", false, "exit 1\nx")];
        let usage = Usage {
            model_calls: Some(2),
            input_tokens: Some(1000),
            output_tokens: Some(1),
            cost_usd: Some(types::Usd { micros: 1 }),
            ..Usage::default()
        };
        let mut job = Job {
            status: JobStatus::Error,
            reason: Some(types::Reason::ChecksFailed),
            summary: Some("did it".into()),
            artifacts: Some(vec!["a".into(), "b".into()]),
            verified: Some(false),
            checks: Some(checks),
            usage: Some(usage),
            ..job()
        };
        assert_fact(&job, ("status", "error (checks_failed)"));
        assert_fact(&job, ("summary", "did it"));
        assert_fact(&job, ("artifacts", "a, b"));
        assert_fact(&job, ("verified", "no"));
        assert_fact(&job, ("check", "✓ a is there"));
        assert_fact(&job, ("check", "✗ b is: exit 1"));
        let models = "2 calls, 1000 tokens read, 1 token written, less than $0.0001";
        assert_fact(&job, ("models", models));
        job.checks = Some(vec![]);
        assert_fact(&job, ("verified", "no: nothing was checked"));
    }

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
