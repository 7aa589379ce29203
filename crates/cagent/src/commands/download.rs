//! `cagent download`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use reqwest::Response;
use serde_json::json;
use types::JobId;

use super::save::save;
use crate::args::{DownloadArgs, Format};
use crate::place::Place;
use crate::{output, text};

pub(super) async fn download(
    place: Place,
    args: DownloadArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let job = args.job.id(place.client()).await?;
    let file = args.output.map_or_else(|| own_name(job), Ok)?;
    let body = place.client().zip(job).await?;
    if file == Path::new("-") {
        print(body).await?;
    } else {
        let bytes = save(body, &file).await?;
        match format {
            Format::Json => {
                output::json(&json!({ "job_id": job, "file": file, "bytes": bytes }))?;
            }
            Format::Text => output::line(&format!("{}, {}", file.display(), text::size(bytes)))?,
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A name that the user did not choose replaces nothing.
fn own_name(job: JobId) -> anyhow::Result<PathBuf> {
    let file = PathBuf::from(format!("{job}.zip"));
    let name = file.display();
    ensure!(!file.exists(), "{name} is there already; --output {name} replaces it");
    Ok(file)
}

pub(super) async fn print(mut body: Response) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = body.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}
