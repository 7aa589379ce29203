//! `cagent doctor`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use engine::Engine as _;
use engine_docker::DockerEngine;
use engine_local::probe::{Finding, Level, probe};
use models::Provider;
use serde_json::json;
use tokio::time::timeout;
use types::SandboxReport;

use crate::args::Format;
use crate::progress::{BAD, ODD};
use crate::server::{docker_config, engine_config};
use crate::settings::{EngineName, ModelSettings, Settings};
use crate::{output, text};

const DOCKER: &str = "docker engine";

/// How long a daemon that nobody wants to use may take.
const DOCKER_PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn doctor(settings: &Settings, format: Format) -> anyhow::Result<ExitCode> {
    let findings = findings(settings).await?;
    let works = findings.iter().all(|finding| finding.level != Level::Missing);
    let engines: Vec<_> = settings.engines.iter().map(|engine| engine.as_str()).collect();
    match format {
        Format::Json => {
            output::json(&json!({ "engines": engines, "works": works, "findings": findings }))?;
        }
        Format::Text => print(&findings, works)?,
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at all that jobs need.
///
/// # Errors
/// When our own tools cannot be put in place.
pub(crate) async fn findings(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for engine in &settings.engines {
        findings.extend(match engine {
            EngineName::Local => probe(&engine_config(settings)?).await,
            EngineName::Docker => docker(ask_docker(settings).await),
        });
    }
    if !settings.engines.contains(&EngineName::Docker) {
        let asked = timeout(DOCKER_PATIENCE, ask_docker(settings)).await;
        findings.push(unused_docker(asked.unwrap_or_else(|_| Err(anyhow!("it does not answer")))));
    }
    findings.extend(models(&settings.models));
    Ok(findings)
}

/// How the daemon's sandboxes are reached, and how they are protected.
type Docker = anyhow::Result<(String, SandboxReport)>;

async fn ask_docker(settings: &Settings) -> Docker {
    let engine = DockerEngine::open(docker_config(settings)?)?;
    Ok((engine.way().await?, engine.report().await?))
}

/// Whether the daemon runs containers for us, and what it does not enforce.
fn docker(asked: Docker) -> Vec<Finding> {
    let (way, report) = match asked {
        Ok(known) => known,
        Err(e) => {
            let lost = Some("no job can run on Docker".into());
            return vec![Finding { lost, ..finding(Level::Missing, DOCKER, format!("{e:#}")) }];
        }
    };
    let works = format!("sandboxes ({}) are reached {way}", text::word(&report.isolation));
    let short = report.shortfalls.into_iter().map(|short| {
        let found = finding(Level::Degraded, &format!("docker {}", short.what), short.why);
        Finding { cure: Some(short.cure), ..found }
    });
    std::iter::once(finding(Level::Ok, DOCKER, works)).chain(short).collect()
}

/// In short, what a server would have that is told to use it: nobody has lost anything yet.
fn unused_docker(asked: Docker) -> Finding {
    let found = match asked {
        Err(e) => format!("not used; --engine docker would not work: {e:#}"),
        Ok((_, report)) => {
            let isolation = text::word(&report.isolation);
            let short: Vec<_> = report.shortfalls.into_iter().map(|short| short.what).collect();
            let short = if short.is_empty() { "nothing".into() } else { short.join(", ") };
            format!("not used; --engine docker would work ({isolation}), not enforcing {short}")
        }
    };
    finding(Level::Ok, DOCKER, found)
}

fn finding(level: Level, what: &str, found: String) -> Finding {
    Finding { what: what.into(), level, found, lost: None, cure: None }
}

/// Who is asked, in order; and who is not, though something was set.
fn models(settings: &ModelSettings) -> Vec<Finding> {
    let finding = |level, found| finding(level, "models", found);
    let asked = match settings.providers() {
        Err(e) => finding(Level::Missing, format!("{e:#}")),
        Ok(none) if none.is_empty() => {
            finding(Level::Ok, "none: tasks are runbooks (docs/models.md)".into())
        }
        Ok(all) => {
            let names: Vec<_> = all.iter().map(Provider::name).collect();
            finding(Level::Ok, names.join(", then "))
        }
    };
    let odd = settings.warnings().into_iter().map(|text| finding(Level::Degraded, text));
    std::iter::once(asked).chain(odd).collect()
}

fn print(findings: &[Finding], works: bool) -> anyhow::Result<()> {
    let rows: Vec<_> = findings.iter().flat_map(rows).collect();
    output::table(["", "WHAT", "FOUND"], &rows)?;
    output::line(if works { "\nJobs can run here." } else { "\nNo job can run here." })
}

/// A row for what was found; what is lost and the cure stand beneath it.
fn rows(finding: &Finding) -> Vec<[String; 3]> {
    let level = match finding.level {
        Level::Ok => "ok".into(),
        Level::Degraded => format!("{ODD}degraded{ODD:#}"),
        Level::Missing => format!("{BAD}missing{BAD:#}"),
    };
    let more = [("lost", &finding.lost), ("cure", &finding.cure)];
    let more = more.into_iter().filter_map(|(name, text)| {
        Some([String::new(), String::new(), format!("{name}: {}", text.as_ref()?)])
    });
    let first = [level, finding.what.clone(), finding.found.clone()];
    std::iter::once(first).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use types::{Isolation, Shortfall};

    use super::*;
    use crate::settings::Sources;

    fn found(given: &[(&str, &str)]) -> Vec<(Level, String)> {
        let own = given.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let own = own.chain([("HOME".into(), "/nowhere".into())]);
        let sources = Sources::read([].into(), own, "/nowhere/.env".as_ref()).unwrap();
        let settings = Settings::new(&sources).unwrap();
        models(&settings.models).into_iter().map(|found| (found.level, found.found)).collect()
    }

    #[test]
    fn a_docker_that_is_not_used_is_told_in_a_line_and_costs_nothing() {
        let short = |what: &str| Shortfall { what: what.into(), why: "w".into(), cure: "c".into() };
        let report = || SandboxReport {
            engine: "docker".into(),
            isolation: Isolation::Container,
            shortfalls: vec![short("disk"), short("swap")],
        };
        let works = unused_docker(Ok(("by directories".into(), report())));
        assert_eq!((works.level, works.lost), (Level::Ok, None));
        let expected = "not used; --engine docker would work (container), not enforcing disk, swap";
        assert_eq!(works.found, expected);
        let away = unused_docker(Err(anyhow!("no daemon; start it")));
        assert!(
            away.level == Level::Ok && away.found.ends_with("would not work: no daemon; start it")
        );
        let used = docker(Err(anyhow!("no daemon")));
        assert_eq!((used.len(), used[0].level), (1, Level::Missing));
        let used = docker(Ok(("by directories".into(), report())));
        assert_eq!(used.iter().map(|one| one.level).collect::<Vec<_>>()[1..], [Level::Degraded; 2]);
    }

    #[test]
    fn it_says_who_is_asked_and_who_is_not() {
        let none = found(&[]);
        assert!(matches!(&*none, [(Level::Ok, text)] if text.starts_with("none")), "{none:?}");
        let set = [("OLLAMA_MODEL", "q"), ("GEMINI_API_KEY", "k"), ("OPENAI_API_KEY", "k")];
        let some = found(&set);
        assert_eq!(some[0], (Level::Ok, "gemini/gemini-2.5-flash, then ollama/q".into()));
        assert!(some[1].0 == Level::Degraded && some[1].1.contains("OPENAI_MODEL"), "{some:?}");
        let unable = found(&[("CAGENT_MODELS", "gemini")]);
        assert!(unable[0].0 == Level::Missing && unable[0].1.contains("GEMINI_API_KEY"));
    }
}
