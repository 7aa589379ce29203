//! `cagent cancel`.

use std::process::ExitCode;

use api::Cancelled;
use types::JobStatus;

use crate::args::Format;
use crate::follow::Follow;
use crate::job_name::JobName;
use crate::output;
use crate::place::Place;

pub(super) async fn cancel(
    mut place: Place,
    job: &JobName,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let job = job.id(place.client()).await?;
    let answer = place.client().cancel(job).await?;
    if place.is_own() {
        // Nobody else would bring the job to its end.
        let mut events = Follow::new(job);
        while events.next(&mut place).await?.is_some() {}
    }
    place.close().await;
    match format {
        Format::Json => output::json(&answer)?,
        Format::Text => output::line(&format!("job {job} {}", said(&answer)))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn said(Cancelled { cancelled, status, .. }: &Cancelled) -> String {
    match (cancelled, status) {
        (true, JobStatus::Cancelled) => "was cancelled already".into(),
        (true, _) => "is being cancelled".into(),
        (false, JobStatus::Packaging) => "is done already: its result is being packed".into(),
        (false, status) => format!("is over: {status}"),
    }
}
