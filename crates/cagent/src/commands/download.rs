//! `cagent download`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use reqwest::Response;
use serde_json::json;

use super::save::save;
use crate::args::{DownloadArgs, Format};
use crate::place::Place;
use crate::{output, text};

pub(super) async fn download(
    place: Place,
    args: DownloadArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let body = place.client().zip(args.job).await?;
    let file = args.output.unwrap_or_else(|| format!("{}.zip", args.job).into());
    if file == Path::new("-") {
        print(body).await?;
    } else {
        let bytes = save(body, &file).await?;
        match format {
            Format::Json => {
                output::json(&json!({ "job_id": args.job, "file": file, "bytes": bytes }))?;
            }
            Format::Text => output::line(&format!("{}, {}", file.display(), text::size(bytes)))?,
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn print(mut body: Response) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = body.chunk().await? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}
