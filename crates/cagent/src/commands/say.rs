//! `cagent say`.

use std::process::ExitCode;

use crate::args::SayArgs;
use crate::output;
use crate::place::Place;

pub(super) async fn say(place: Place, args: &SayArgs) -> anyhow::Result<ExitCode> {
    let job = args.job.id(place.client()).await?;
    place.client().say(job, &args.text.join(" ")).await?;
    place.close().await;
    output::line(&format!("told the agent of job {job}; it hears it at its next turn"))?;
    Ok(ExitCode::SUCCESS)
}
