//! Ten thousand jobs that wait: what a look at one takes, and what memory they need.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::status::{ask, fill, floor};
use crate::bed::Bed;
use crate::http::{self, Http};
use crate::machine::Memory;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};
use testkit::DataDir;

const JOBS: usize = 10_000;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let jobs = if bed.quick { 100 } else { JOBS };
    let round = if bed.quick { ROUND / 20 } else { ROUND };
    let data = DataDir::new();
    let server = bed.server_on(&data).await;
    Http::connect(&server).await?.get("/jobs").await?;
    let idle = Memory::of(server.pid())?.resident;
    let paths = fill(&server, jobs, 0, bed.cores).await?;
    let (_floor, bare) = floor().await?;
    let address = http::address(&server)?;
    let (mut latencies, mut bare_latencies) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        latencies.extend(ask(address, &paths, None, round).await?.latencies);
        bare_latencies.extend(ask(bare, &paths, None, round / 2).await?.latencies);
    }
    Http::connect(&server).await?.get("/jobs").await?;
    let peak = Memory::of(server.pid())?.peak;
    server.kill().await;
    let begun = Instant::now();
    let server = bed.server_on(&data).await;
    Http::connect(&server).await?.get(&paths[jobs - 1]).await?;
    let started = millis(begun);
    Ok(vec![
        Row {
            name: format!("GET /status with {jobs} jobs in the queue"),
            unit: "ms".into(),
            target: Target::at_most(Statistic::P99, 10.0, "p99 ≤ 10 ms"),
            measured: Summary::of(latencies).context("no answers")?,
            floors: vec![Floor::new("bare hyper, one fixed answer", Ok(bare_latencies))],
            note: format!(
                "8 connections ask as fast as they can. After a kill -9 the next server answers \
                 after {started:.0} ms."
            ),
        },
        Row {
            name: format!("orchestrator with {jobs} jobs in the queue"),
            unit: "MiB".into(),
            target: Target::at_most(Statistic::Max, 100.0, "≤ 100 MiB"),
            measured: Summary::of(vec![peak]).context("one")?,
            floors: vec![Floor::new("with none", Ok(vec![idle]))],
            note: "Peak resident memory, after the calls above and a list of all jobs.".into(),
        },
    ])
}
