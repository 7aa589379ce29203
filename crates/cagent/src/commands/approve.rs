//! `cagent approve`.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use types::Waiting;

use crate::args::ApproveArgs;
use crate::output;
use crate::place::Place;
use crate::progress::approval;

pub(super) async fn approve(place: Place, args: &ApproveArgs) -> anyhow::Result<ExitCode> {
    let job = place.client().job(args.job.id(place.client()).await?).await?;
    let (id, status) = (job.job_id, job.status);
    let Some(waiting) = job.waiting else {
        bail!("job {id} ({status}) does not wait for approval");
    };
    let Waiting::Approval { step, .. } = waiting;
    let meant = args.step.unwrap_or(step);
    ensure!(meant == step, "job {id} waits for {}", approval::in_short(&waiting));
    approval::shown(id, &waiting).iter().try_for_each(|line| output::line(line))?;
    place.client().decide(id, step, args.reject.as_deref()).await?;
    place.close().await;
    let word = if args.reject.is_some() { "rejected" } else { "approved" };
    output::line(&format!("{word} step {step} of job {id}"))?;
    Ok(ExitCode::SUCCESS)
}
