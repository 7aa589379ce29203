//! `cagent image build`.

use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use bollard::query_parameters::BuildImageOptionsBuilder;
use bollard::{Docker, body_full};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::{authorities, base, context, daemon};
use crate::args::{Format, ImageBuildArgs};
use crate::settings::Settings;
use crate::{complaint, output, text};

/// How many lines of a build that failed are shown.
const LAST_LINES: usize = 40;

/// How many characters of a step are shown.
const STEP_WIDTH: usize = 72;

/// An image that was built.
#[derive(Debug, Serialize)]
struct Built {
    name: String,
    id: String,
    target: &'static str,
    bytes: u64,
    seconds: f64,
}

pub(super) async fn build(
    args: ImageBuildArgs,
    settings: &Settings,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let certificates = authorities::read(&args.authorities)?;
    let docker = daemon::connect(settings).await?;
    let name = args.tag.clone().unwrap_or_else(|| settings.image.clone());
    let base = base::ensure(&docker, args.base.as_deref(), args.no_cache).await?;
    let tar = context::tar(&certificates).context("put the parts of the image together")?;
    run(&docker, &args, &name, &base, tar).await?;
    let image = docker.inspect_image(&name).await.context("look at the image")?;
    let built = Built {
        name,
        id: image.id.unwrap_or_default(),
        target: args.target.as_str(),
        bytes: image.size.unwrap_or_default().unsigned_abs(),
        seconds: began.elapsed().as_secs_f64(),
    };
    match format {
        Format::Json => output::json(&built)?,
        Format::Text => output::line(&format!(
            "image {} ({}), {}, {:.0} s",
            built.name,
            built.target,
            text::size(built.bytes),
            built.seconds
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the daemon build it, and says which step it is at.
async fn run(
    docker: &Docker,
    args: &ImageBuildArgs,
    name: &str,
    base: &str,
    tar: Vec<u8>,
) -> anyhow::Result<()> {
    let arguments = HashMap::from([("BASE_IMAGE", base), ("VERSION", env!("CARGO_PKG_VERSION"))]);
    let options = BuildImageOptionsBuilder::new()
        .t(name)
        .target(args.target.as_str())
        .nocache(args.no_cache)
        .buildargs(&arguments)
        .rm(true)
        .forcerm(true);
    let mut messages = docker.build_image(options.build(), None, Some(body_full(tar.into())));
    let mut last = Last::default();
    while let Some(message) = messages.next().await {
        match message {
            Ok(info) => {
                let steps = last.read(&info.stream.unwrap_or_default());
                steps.iter().for_each(|step| complaint::say(&text::short(step, STEP_WIDTH)));
            }
            Err(e) => {
                last.lines.iter().for_each(|line| complaint::say(line));
                return Err(anyhow!(e).context(format!("build the image {name}")));
            }
        }
    }
    Ok(())
}

/// The last lines of a build. Most of what it writes nobody wants to read while it works.
#[derive(Debug, Default)]
struct Last {
    lines: VecDeque<String>,
}

impl Last {
    /// Takes some output, and returns what of it is worth being shown at once: `Step 3/17 : …`.
    fn read(&mut self, output: &str) -> Vec<String> {
        let lines = output.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let mut steps = vec![];
        for line in lines {
            if line.starts_with("Step ") {
                steps.push(line.to_owned());
                self.lines.clear();
            }
            if self.lines.len() == LAST_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line.to_owned());
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_shown_and_the_last_lines_kept() {
        let mut last = Last::default();
        assert_eq!(last.read("Step 1/2 : FROM x\n\n"), ["Step 1/2 : FROM x"]);
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        assert!(last.read(&many).is_empty());
        assert_eq!(last.lines.len(), LAST_LINES);
        assert_eq!(last.lines.back().map(String::as_str), Some("line 99"));
        last.read("Step 2/2 : RUN y\n");
        assert_eq!(last.lines, ["Step 2/2 : RUN y"]);
    }
}
