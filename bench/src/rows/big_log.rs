//! A job that writes a gigabyte: what memory that takes, and how fast it is kept.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use testkit::Server;

use crate::bed::Bed;
use crate::family;
use crate::http::Http;
use crate::machine::Memory;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const MEGABYTES: usize = 1000;
/// So many are written before one looks, so that all code has been used.
const BEFORE: usize = 1;
/// How often to look at the job.
const LOOK: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Default)]
struct Written {
    /// From `POST` to the end of the work.
    seconds: f64,
    /// The most that agentd had.
    agentd_mib: f64,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let megabytes = if bed.quick { 20 } else { MEGABYTES };
    let server = bed.server().await;
    write(&server, BEFORE).await?;
    let before = Memory::of(server.pid())?.peak;
    let Written { seconds, agentd_mib } = write(&server, megabytes).await?;
    let growth = Memory::of(server.pid())?.peak - before;
    let plain = plain(server.data_dir().path(), megabytes)?;
    let rate = |seconds: f64| vec![megabytes as f64 / seconds];
    let what = format!("{megabytes} MB of log through one job");
    Ok(vec![
        Row {
            name: format!("{what}: orchestrator grows by"),
            unit: "MiB".into(),
            target: Target::at_most(Statistic::Max, 10.0, "≤ 10 MiB"),
            measured: Summary::of(vec![growth]).context("one")?,
            floors: vec![],
            note: format!(
                "Of its peak of {before:.1} MiB after a job that wrote {BEFORE} MB, until the big one \
                 is packed. agentd had {agentd_mib:.1} MiB at most."
            ),
        },
        Row {
            name: format!("{what}: speed"),
            unit: "MB/s".into(),
            target: Target::none(Statistic::Median),
            measured: Summary::of(rate(seconds)).context("one")?,
            floors: vec![Floor::new(
                "the same command through a pipe into a file",
                Ok(rate(plain)),
            )],
            note: "From `POST` to the end of the work, all of it in the log.".into(),
        },
    ])
}

/// How long a job took that wrote so much, until it is packed, in seconds, and what agentd had at most,
/// in MiB. Nobody follows it: what readers cost is measured elsewhere.
async fn write(server: &Server, megabytes: usize) -> anyhow::Result<Written> {
    let mut http = Http::connect(server).await?;
    let begun = Instant::now();
    let job = http.run(&format!("```sh\n{}\n```\n", command(megabytes))).await?;
    let mut written = Written::default();
    loop {
        let agentd = family::agentd(server.data_dir().path()).and_then(Memory::of);
        written.agentd_mib = agentd.map_or(0.0, |memory| memory.peak).max(written.agentd_mib);
        let status: Value = serde_json::from_slice(&http.get(&format!("/status/{job}")).await?)?;
        match status["status"].as_str() {
            Some("complete") => return Ok(written),
            Some("error" | "cancelled") => bail!("the job failed: {status}"),
            Some("packaging") => {}
            _ => written.seconds = begun.elapsed().as_secs_f64(),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The same without any of us. Blocks.
fn plain(folder: &Path, megabytes: usize) -> anyhow::Result<f64> {
    let file = folder.join("plain.log");
    let line = format!("({}) | cat > \"$0\"", command(megabytes));
    let begun = Instant::now();
    let status = Command::new("sh").args(["-c", &line]).arg(&file).status()?;
    ensure!(status.success(), "{line}: {status}");
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&file)?;
    Ok(seconds)
}

fn command(megabytes: usize) -> String {
    format!(
        "yes 'a line of a log, as long as many of them are: 01234567890123456789' | head -c {megabytes}000000"
    )
}
