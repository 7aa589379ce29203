//! `cagent doctor`.

use std::process::ExitCode;

use engine_local::probe::{Finding, Level, probe};
use serde_json::json;

use crate::args::Format;
use crate::output;
use crate::progress::{BAD, ODD};
use crate::server::engine_config;
use crate::settings::Settings;

pub(super) async fn doctor(settings: &Settings, format: Format) -> anyhow::Result<ExitCode> {
    let findings = probe(&engine_config(settings)?).await;
    let works = findings.iter().all(|finding| finding.level != Level::Missing);
    match format {
        Format::Json => {
            output::json(&json!({ "engine": "local", "works": works, "findings": findings }))?;
        }
        Format::Text => print(&findings, works)?,
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
