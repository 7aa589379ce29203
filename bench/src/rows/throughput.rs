//! How many jobs a second go through, from the first `POST` to the last ZIP.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use testkit::Server;
use types::JobId;

use crate::bare::{Bare, Order};
use crate::bed::Bed;
use crate::http::{self, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const RUNBOOK: &str = "```sh\necho ready > result\n```\n";
const JOBS: usize = 300;
const ROUNDS: usize = 3;

/// What is read of the list of jobs.
#[derive(Debug, Deserialize)]
struct List {
    jobs: Vec<Line>,
}

/// What is read of one job.
#[derive(Debug, Deserialize)]
struct Line {
    job_id: JobId,
    completed: Option<String>,
    error: Option<String>,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let jobs = if bed.quick { 10 } else { JOBS };
    let server = bed.server().await;
    let mut bare = Bare::start(&std::env::current_exe()?, server.data_dir().path())?;
    let order = Order { lives: jobs, at_once: bed.cores, stay: false };
    let (mut rates, mut bare_rates) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        let begun = Instant::now();
        run(&server, jobs).await?;
        rates.push(per_second(jobs, begun));
        let begun = Instant::now();
        bare.live(order)?;
        bare_rates.push(per_second(jobs, begun));
    }
    Ok(vec![Row {
        name: format!("jobs per second, {jobs} jobs, {} at one time", bed.cores),
        unit: "jobs/s".into(),
        target: Target::at_least(Statistic::Median, 50.0, "≥ 50 jobs/s"),
        measured: Summary::of(rates).context("no rounds")?,
        floors: vec![Floor::new("bare launcher", Ok(bare_rates))],
        note:
            "All jobs are given at once; the clock stops when the last one is packed. Each writes \
               one file."
                .into(),
    }])
}

#[expect(clippy::cast_precision_loss, reason = "some hundred")]
fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

/// The jobs run in the order in which they came, so that the last one is waited for first.
async fn run(server: &Server, count: usize) -> anyhow::Result<()> {
    let mut http = Http::connect(server).await?;
    let mut last = http.run(RUNBOOK).await?;
    for _ in 1..count {
        last = http.run(RUNBOOK).await?;
    }
    let mut unfinished = Some(last);
    while let Some(job) = unfinished {
        Http::connect(server).await?.events(job, 0).await?.until(http::is_end).await?;
        // On a new connection: the server has closed one that nothing was asked on for so long.
        let all = Http::connect(server).await?.get("/jobs").await?;
        let all: List = serde_json::from_slice(&all)?;
        let failed = all.jobs.iter().find(|job| job.error.is_some());
        ensure!(failed.is_none(), "a job failed: {failed:?}");
        unfinished = all.jobs.iter().find(|job| job.completed.is_none()).map(|job| job.job_id);
    }
    Ok(())
}
