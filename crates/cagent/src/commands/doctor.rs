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
    let rows: Vec<_> = findings.iter().map(row).collect();
    output::table(["", "WHAT", "FOUND"], &rows)?;
    for finding in findings {
        if let Some(cure) = &finding.cure {
            output::line(&format!("\n{}: {cure}", finding.what))?;
        }
    }
    output::line(if works { "\nJobs can run here." } else { "\nNo job can run here." })
}

fn row(finding: &Finding) -> [String; 3] {
    let level = match finding.level {
        Level::Ok => "ok".into(),
        Level::Degraded => format!("{ODD}degraded{ODD:#}"),
        Level::Missing => format!("{BAD}missing{BAD:#}"),
    };
    [level, finding.what.clone(), finding.found.clone()]
}
