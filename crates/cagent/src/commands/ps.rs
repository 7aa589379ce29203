//! `cagent ps`.

use std::process::ExitCode;
use std::time::Duration;

use api::JobSummary;
use jiff::Timestamp;
use types::JobStatus;

use crate::args::{Format, PsArgs};
use crate::place::Place;
use crate::{output, text};

/// A line with an error on it shall not be broken for the sake of a title.
const TITLE_WIDTH: usize = 40;

pub(super) async fn ps(place: Place, args: &PsArgs, format: Format) -> anyhow::Result<ExitCode> {
    let list = place.client().jobs_in(&args.statuses, args.limit).await?;
    place.say_if_nobody_runs(list.jobs.iter().map(|job| job.status));
    place.close().await;
    match format {
        Format::Json => output::json(&list)?,
        Format::Text => {
            let now = Timestamp::now();
            let rows: Vec<_> = list.jobs.iter().map(|job| row(job, now)).collect();
            output::table(["JOB", "STATUS", "CREATED", "TOOK", "TITLE", "ERROR"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(job: &JobSummary, now: Timestamp) -> [String; 6] {
    let end = job.completed.unwrap_or(now);
    let time = job.started.and_then(|start| Duration::try_from(end.duration_since(start)).ok());
    let error = job.error.as_ref().filter(|_| job.status == JobStatus::Error);
    [
        job.job_id.to_string(),
        format!("{}{}", job.status, if job.waiting.is_some() { ", waiting" } else { "" }),
        format!("{:.0}", job.created),
        time.map(text::took).unwrap_or_default(),
        text::short(&job.title, TITLE_WIDTH),
        error.map(|error| text::one_line(error)).unwrap_or_default(),
    ]
}
