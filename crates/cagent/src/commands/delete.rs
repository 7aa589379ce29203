//! `cagent delete`.

use std::process::ExitCode;

use serde_json::json;

use crate::args::Format;
use crate::job_name::JobName;
use crate::output;
use crate::place::Place;

pub(super) async fn delete(
    place: Place,
    names: &[JobName],
    format: Format,
) -> anyhow::Result<ExitCode> {
    let mut jobs = Vec::new();
    // All names first: a slip in one of them shall not cost the others.
    for name in names {
        jobs.push(name.id(place.client()).await?);
    }
    for job in &jobs {
        place.client().delete(*job).await?;
        if format == Format::Text {
            output::line(&format!("job {job} is deleted"))?;
        }
    }
    place.close().await;
    if format == Format::Json {
        output::json(&json!({ "deleted": jobs }))?;
    }
    Ok(ExitCode::SUCCESS)
}
