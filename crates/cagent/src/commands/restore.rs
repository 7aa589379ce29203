//! `cagent restore`.

use std::process::ExitCode;

use anyhow::Context as _;

use super::backup::{shown, what_is_in};
use crate::args::{BackupArgs, Format};
use crate::output;
use crate::settings::Settings;

pub(super) async fn restore(
    settings: &Settings,
    args: BackupArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let (data, output_dir) = (settings.data_dir.clone(), settings.output_dir.clone());
    let work = move || jobs::restore(&args.directory, &data, &output_dir);
    let restored = tokio::task::spawn_blocking(work).await.context("restore the backup")??;
    let (what, dir) = (what_is_in(&restored), settings.data_dir.display());
    match format {
        Format::Text => output::line(&format!("{dir}: {what}"))?,
        Format::Json => output::json(&shown(&restored))?,
    }
    Ok(ExitCode::SUCCESS)
}
