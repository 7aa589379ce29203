//! `cagent cancel`.

use std::process::ExitCode;

use types::JobId;

use crate::args::Format;
use crate::follow::Follow;
use crate::output;
use crate::place::Place;

pub(super) async fn cancel(
    mut place: Place,
    job: JobId,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let answer = place.client().cancel(job).await?;
    if place.is_own() {
        // Nobody else would bring the job to its end.
        let mut events = Follow::new(job);
        while events.next(&mut place).await?.is_some() {}
    }
    place.close().await;
    match format {
        Format::Json => output::json(&answer)?,
        Format::Text if answer.cancelled => output::line(&format!("job {job} is being cancelled"))?,
        Format::Text => output::line(&format!("job {job} was over already: {}", answer.status))?,
    }
    Ok(ExitCode::SUCCESS)
}
