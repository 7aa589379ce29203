//! `cagent image rm`.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use images::Images;
use serde_json::json;

use crate::args::Format;
use crate::settings::Settings;
use crate::{output, server};

pub(super) async fn rm(
    names: Vec<String>,
    settings: &Settings,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let images = Images::open(&server::images(settings));
    for name in &names {
        let (images, wanted) = (images.clone(), name.clone());
        let removed = tokio::task::spawn_blocking(move || images.remove(&wanted)).await?;
        let was_there = removed.with_context(|| format!("remove the image {name}"))?;
        let cure = "`cagent image ls` lists them; `docker rmi` removes Docker's";
        ensure!(was_there, "no image {name} was imported; {cure}");
        if format == Format::Text {
            output::line(&format!("image {name} is removed"))?;
        }
    }
    if format == Format::Json {
        output::json(&json!({ "removed": names }))?;
    }
    Ok(ExitCode::SUCCESS)
}
