//! `cagent restore`.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use jobs::BackupError;

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
    let work = move || {
        let restored = jobs::restore(&args.directory, &data, &output_dir);
        restored.map_err(|e| in_words(e, &args.directory))
    };
    let restored = tokio::task::spawn_blocking(work).await.context("restore the backup")??;
    let (what, dir) = (what_is_in(&restored), settings.data_dir.display());
    match format {
        Format::Text => output::line(&format!("{dir}: {what}"))?,
        Format::Json => output::json(&shown(&restored))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who named another directory hears so, and not which file the system did not find.
fn in_words(error: BackupError, backup: &Path) -> anyhow::Error {
    let BackupError::Io { path, source, .. } = &error else { return error.into() };
    let is_missing = matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match path.strip_prefix(backup) {
        Ok(name) if is_missing => {
            let (dir, name) = (backup.display(), name.display());
            anyhow!("{dir} is not a whole backup: it has no {name}; name what `cagent backup` made")
        }
        _ => error.into(),
    }
}
