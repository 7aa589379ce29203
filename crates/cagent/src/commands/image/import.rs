//! `cagent image import`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use images::{Images, Imported, Source};
use serde::Serialize;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use crate::args::{Format, ImageImportArgs};
use crate::settings::Settings;
use crate::{output, server, text};

const TICK: Duration = Duration::from_secs(1);

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
    let unpacking = tokio::task::spawn_blocking(move || unpack(&images, &args));
    let unpacked = counting(began, &shown, unpacking).await?;
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

/// Counts the seconds on a terminal while this goes on: a large image takes minutes.
async fn counting<T>(began: Instant, what: &str, mut work: JoinHandle<T>) -> Result<T, JoinError> {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    loop {
        match timeout(TICK, &mut work).await {
            Ok(done) => {
                eprint!("\r\x1b[K");
                return done;
            }
            Err(_) => {
                let what = text::short(what, 60);
                eprint!("\runpacking {what}… {} s", began.elapsed().as_secs());
            }
        }
    }
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
