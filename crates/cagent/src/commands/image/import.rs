//! `cagent image import`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use images::{Images, Imported, Source};
use serde::Serialize;

use crate::args::{Format, ImageImportArgs};
use crate::settings::Settings;
use crate::{output, server, text};

/// What is said of an image that was imported.
#[derive(Debug, Serialize)]
struct Said<'a> {
    name: &'a str,
    digest: &'a str,
    bytes: u64,
    entries: u64,
    left_out: u64,
    seconds: f64,
}

pub(super) async fn import(
    args: ImageImportArgs,
    settings: &Settings,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let images = Images::open(&server::images(settings));
    let shown = args.source.display().to_string();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&images, &args)).await?;
    let Imported { image, entries, left_out } =
        unpacked.with_context(|| format!("import the image from {shown}"))?;
    let said = Said {
        name: &image.name,
        digest: &image.digest,
        bytes: image.bytes,
        entries,
        left_out,
        seconds: began.elapsed().as_secs_f64(),
    };
    match format {
        Format::Json => output::json(&said)?,
        Format::Text => output::line(&in_words(&said))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unpack(images: &Images, args: &ImageImportArgs) -> Result<Imported, images::ImageError> {
    let name = args.name.as_deref();
    if args.source == Path::new("-") {
        return images.import(Source::Stream(&mut std::io::stdin().lock()), name);
    }
    images.import(Source::Path(&args.source), name)
}

fn in_words(said: &Said) -> String {
    let left_out = match said.left_out {
        0 => String::new(),
        left_out => format!(", {} left out (devices, pipes)", text::count(left_out, "file")),
    };
    format!(
        "image {}, {}, {}{left_out}, {:.0} s",
        said.name,
        text::size(said.bytes),
        text::count(said.entries, "file"),
        said.seconds
    )
}
