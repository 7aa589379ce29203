//! `cagent doctor`.

use std::process::ExitCode;

use engine::Engine as _;
use engine_docker::DockerEngine;
use engine_local::probe::{Finding, Level, probe};
use models::Provider;
use serde_json::json;

use crate::args::Format;
use crate::output;
use crate::progress::{BAD, ODD};
use crate::server::{docker_config, engine_config};
use crate::settings::{EngineName, ModelSettings, Settings};

pub(super) async fn doctor(settings: &Settings, format: Format) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    for engine in &settings.engines {
        findings.extend(match engine {
            EngineName::Local => probe(&engine_config(settings)?).await,
            EngineName::Docker => docker(settings).await?,
        });
    }
    findings.extend(models(&settings.models));
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

/// Whether the daemon runs containers for us, and what it does not enforce.
async fn docker(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let finding = |level, what: &str, found, lost, cure| Finding {
        what: what.into(),
        level,
        found,
        lost,
        cure,
    };
    let asked = async {
        let engine = DockerEngine::open(docker_config(settings)?)?;
        anyhow::Ok((engine.way().await?, engine.report().await?))
    };
    let (way, report) = match asked.await {
        Ok(known) => known,
        Err(e) => {
            let lost = Some("no job can run on Docker".into());
            return Ok(vec![finding(
                Level::Missing,
                "docker engine",
                format!("{e:#}"),
                lost,
                None,
            )]);
        }
    };
    let isolation = serde_json::to_value(report.isolation)?;
    let isolation = isolation.as_str().unwrap_or_default();
    let works = format!("sandboxes ({isolation}) are reached {way}");
    let first = finding(Level::Ok, "docker engine", works, None, None);
    let short = report.shortfalls.into_iter().map(|short| {
        finding(
            Level::Degraded,
            &format!("docker {}", short.what),
            short.why,
            None,
            Some(short.cure),
        )
    });
    Ok(std::iter::once(first).chain(short).collect())
}

/// Who is asked, in order; and who is not, though something was set.
fn models(settings: &ModelSettings) -> Vec<Finding> {
    let finding =
        |level, found| Finding { what: "models".into(), level, found, lost: None, cure: None };
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
