//! `cagent open`.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::args::{Format, OpenArgs, What};
use crate::output;
use crate::place::Place;

/// What opens an address in the browser that a person uses.
const OPENER: &str = "xdg-open";

pub(super) async fn open(
    place: Place,
    args: &OpenArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let (view, port) = match args.what {
        What::Desktop if args.watch => ("watch", None),
        What::Desktop => ("control", None),
        What::Jupyter => ("jupyter", None),
        What::Port(port) => ("preview", Some(port)),
    };
    ensure!(!args.watch || view == "watch", "--watch is for desktops; leave it out");
    let job = args.job.id(place.client()).await?;
    let ticket = place.client().ticket(job, view, port).await?;
    if args.browser {
        show(&ticket.url).await?;
    }
    match format {
        Format::Json => output::json(&ticket)?,
        Format::Text if args.browser => output::line(&format!("opened job {job} in the browser"))?,
        Format::Text => output::line(&ticket.url)?,
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn show(url: &str) -> anyhow::Result<()> {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.status().await;
    let ended =
        ended.with_context(|| format!("start {OPENER}; without --browser, the link is shown"))?;
    ensure!(ended.success(), "{OPENER} found no browser; without --browser, the link is shown");
    Ok(())
}
