//! `cagent desktop`.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::args::{DesktopArgs, Format};
use crate::output;
use crate::place::Place;

/// What opens an address in the browser that a person uses.
const OPENER: &str = "xdg-open";

pub(super) async fn desktop(
    place: Place,
    args: &DesktopArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let job = args.job.id(place.client()).await?;
    let view = if args.watch { "watch" } else { "control" };
    let ticket = place.client().ticket(job, view).await?;
    if args.open {
        open(&ticket.url).await?;
    }
    match format {
        Format::Json => output::json(&ticket)?,
        Format::Text if args.open => output::line(&format!("opened the desktop of job {job}"))?,
        Format::Text => output::line(&ticket.url)?,
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn open(url: &str) -> anyhow::Result<()> {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.status().await;
    let ended = ended.with_context(|| format!("start {OPENER}; without --open, the link is shown"))?;
    ensure!(ended.success(), "{OPENER} found no browser; without --open, the link is shown");
    Ok(())
}
