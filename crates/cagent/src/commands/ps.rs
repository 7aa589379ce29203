//! `cagent ps`.

use std::process::ExitCode;
use std::time::Duration;

use api::JobSummary;
use jiff::Timestamp;

use crate::args::Format;
use crate::place::Place;
use crate::{output, text};

pub(super) async fn ps(place: Place, format: Format) -> anyhow::Result<ExitCode> {
    let list = place.client().jobs().await?;
    place.close().await;
    match format {
        Format::Json => output::json(&list)?,
        Format::Text => {
            let now = Timestamp::now();
            let rows: Vec<_> = list.jobs.iter().map(|job| row(job, now)).collect();
            output::table(["JOB", "STATUS", "CREATED", "TOOK", "ERROR"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(job: &JobSummary, now: Timestamp) -> [String; 5] {
    let end = job.completed.unwrap_or(now);
    let time = job.started.and_then(|start| Duration::try_from(end.duration_since(start)).ok());
    [
        job.job_id.to_string(),
        job.status.to_string(),
        format!("{:.0}", job.created),
        time.map(text::took).unwrap_or_default(),
        job.error.as_deref().map(text::one_line).unwrap_or_default(),
    ]
}
