//! The agent image: how large it is and, if that is asked for, how long it takes to build; beside the
//! prototype that it began as.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::bed::Bed;
use crate::daemon::{Daemon, IMAGE};
use crate::missing::Missing;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

/// How large the prototype was, in MB, with the packages of November 2026.
const PROTOTYPE: f64 = 1950.0;
/// What both are made from: the one of them that is there.
const BASES: [&str; 2] = ["debian:trixie-slim", "cagent-base:trixie"];
/// Names of what is built here; they are gone afterwards.
const OURS: &str = "cagent-bench:ours";
const THEIRS: &str = "cagent-bench:prototype";

/// What a build came to.
#[derive(Clone, Copy)]
struct Built {
    seconds: f64,
    megabytes: f64,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::find().await?;
    let size = megabytes(daemon.image_bytes);
    if !bed.builds_image {
        return Ok(vec![size_row(size, None)?]);
    }
    let base = base(&daemon).await?;
    let prototype = match &bed.prototype {
        None => None,
        Some(folder) => Some(build(&daemon, prototype(folder, base), THEIRS).await?),
    };
    let data = TempDir::new()?;
    let ours = build(&daemon, ours(bed, base, data.path()), OURS).await?;
    Ok(vec![size_row(ours.megabytes, prototype)?, time_row(ours, prototype, base)?])
}

fn size_row(size: f64, prototype: Option<Built>) -> anyhow::Result<Row> {
    let most = prototype.map_or(PROTOTYPE, |built| built.megabytes);
    Ok(Row {
        name: format!("size of {IMAGE}"),
        unit: "MB".into(),
        target: Target::at_most(Statistic::Max, most, format!("≤ the prototype's ({most:.0} MB)")),
        measured: Summary::of(vec![size]).context("one")?,
        floors: prototype.map(|built| floor(built.megabytes)).into_iter().collect(),
        note: "As Docker counts it. The prototype has the same programs; without `bench --image \
               --prototype DIR` its size is that of the day it was measured."
            .into(),
    })
}

fn time_row(ours: Built, prototype: Option<Built>, base: &str) -> anyhow::Result<Row> {
    let target = match prototype {
        None => Target::none(Statistic::Max),
        Some(built) => {
            Target::at_most(Statistic::Max, built.seconds, "≤ the prototype's".to_owned())
        }
    };
    Ok(Row {
        name: format!("time to build {IMAGE}"),
        unit: "s".into(),
        target,
        measured: Summary::of(vec![ours.seconds]).context("one")?,
        floors: prototype.map(|built| floor(built.seconds)).into_iter().collect(),
        note: format!(
            "`cagent image build --no-cache --base {base}`: all but the base is made anew."
        ),
    })
}

fn floor(value: f64) -> Floor {
    Floor::new("the prototype", Ok(vec![value]))
}

async fn base(daemon: &Daemon) -> anyhow::Result<&'static str> {
    for base in BASES {
        if daemon.has(base).await {
            return Ok(base);
        }
    }
    Err(Missing::of("the daemon has no base for the image; run: make image"))
}

fn ours(bed: &Bed, base: &str, data: &Path) -> Command {
    let mut command = Command::new(&bed.cagent);
    command.args(["image", "build", "--no-cache", "--base", base, "--tag", OURS, "--data-dir"]);
    command.arg(data);
    command
}

fn prototype(folder: &Path, base: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["build", "--no-cache", "--target", "full", "--tag", THEIRS, "--build-arg"]);
    command.arg(format!("BASE_IMAGE={base}")).arg(folder);
    command
}

/// Builds it, says on standard error how far it is, and removes it.
async fn build(daemon: &Daemon, mut command: Command, tag: &str) -> anyhow::Result<Built> {
    let before = daemon.stages().await?;
    let begun = Instant::now();
    let run = move || command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = tokio::task::spawn_blocking(run).await??;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "building {tag}: {status}; it said why above");
    let built = Built { seconds, megabytes: megabytes(daemon.take_image(tag).await?) };
    for stage in daemon.stages().await?.difference(&before) {
        daemon.remove_stage(stage).await?;
    }
    Ok(built)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn megabytes(bytes: i64) -> f64 {
    bytes as f64 / 1e6
}
