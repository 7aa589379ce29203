//! `cagent resume`: a job goes on after one that broke off.

use std::process::ExitCode;

use super::{Context, run};
use crate::args::Format;
use crate::job_name::JobName;
use crate::signals::Signals;

pub(super) async fn resume(
    job: &JobName,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let place = context.place().await?;
    let old = job.id(place.client()).await?;
    let signals = Signals::listen()?;
    let job = place.client().resume(old).await?.job_id;
    run::see(place, job, None, signals, format).await
}
