//! Five hundred clients that follow jobs: what they wait, what they cost, and whom they slow down.

use std::time::Instant;

use anyhow::Context as _;
use testkit::Server;
use tokio::task::JoinSet;
use types::JobId;

use super::log_line;
use crate::bed::Bed;
use crate::http::{self, Http};
use crate::machine::Memory;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const CLIENTS: usize = 500;
const JOBS: usize = 50;
/// Lines of all jobs together, and how many there are in a second.
const LINES: usize = 100;
const LINES_A_SECOND: usize = 10;
/// How often a job is begun beside nobody.
const STARTS: usize = 40;

/// What was measured.
#[derive(Default)]
struct Measured {
    ages: Vec<f64>,
    /// From `POST` to the first output of other jobs.
    starts: Vec<f64>,
    /// What the clients add to the peak.
    growth_mib: f64,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (clients, jobs) = if bed.quick { (10, 2) } else { (CLIENTS, JOBS) };
    let bed = Bed { cores: jobs + 1, ..bed.clone() };
    let server = bed.server().await;
    let mut alone = vec![];
    for _ in 0..bed.times(STARTS) {
        alone.push(start(&server).await?);
    }
    let one = measure(&bed, &server, 1, 1).await?;
    let mut rows = vec![];
    for jobs in [1, jobs] {
        let crowd = measure(&bed, &server, clients, jobs).await?;
        rows.extend(crowd.rows(clients, jobs, &one.ages, &alone)?);
    }
    Ok(rows)
}

impl Measured {
    fn rows(
        self,
        clients: usize,
        jobs: usize,
        one: &[f64],
        alone: &[f64],
    ) -> anyhow::Result<[Row; 2]> {
        let who = format!("{clients} clients that follow {jobs} jobs");
        let floor = Summary::of(alone.to_vec()).context("no starts")?.median;
        let growth = self.growth_mib;
        Ok([
            Row {
                name: format!("a line → {who}"),
                unit: "ms".into(),
                target: Target::at_most(Statistic::P99, 100.0, "p99 ≤ 100 ms"),
                measured: Summary::of(self.ages).context("no lines")?,
                floors: vec![Floor::new("one client, one job", Ok(one.to_vec()))],
                note: format!(
                    "{LINES_A_SECOND} lines a second of all jobs together, each to all who follow its \
                     job; the clients share the cores. The orchestrator's peak grew by {growth:.1} MiB."
                ),
            },
            Row {
                name: format!("POST → first output beside {who}"),
                unit: "ms".into(),
                target: Target::at_most(
                    Statistic::Median,
                    3.0 * floor,
                    format!("p50 ≤ 3 × alone ({floor:.1} ms)"),
                ),
                measured: Summary::of(self.starts).context("no starts")?,
                floors: vec![Floor::new("alone", Ok(alone.to_vec()))],
                note: "Of jobs of one step, one after the other.".into(),
            },
        ])
    }
}

async fn measure(
    bed: &Bed,
    server: &Server,
    clients: usize,
    jobs: usize,
) -> anyhow::Result<Measured> {
    let before = Memory::of(server.pid())?.peak;
    let all = begin(bed, server, jobs).await?;
    let mut following = JoinSet::new();
    for n in 0..clients {
        let mut events = Http::connect(server).await?.events(all[n % jobs], 0).await?;
        following.spawn(async move { log_line::ages(&mut events).await });
    }
    let mut measured = Measured::default();
    while !following.is_empty() {
        measured.starts.push(start(server).await?);
        while let Some(ages) = following.try_join_next() {
            measured.ages.extend(ages??);
        }
    }
    measured.growth_mib = Memory::of(server.pid())?.peak - before;
    Ok(measured)
}

/// Jobs that write the time, after some seconds for their clients to come.
async fn begin(bed: &Bed, server: &Server, jobs: usize) -> anyhow::Result<Vec<JobId>> {
    let lines = if bed.quick { 2 } else { LINES.div_ceil(jobs) };
    let (pause, patience) = (jobs as f64 / LINES_A_SECOND as f64, if bed.quick { 0 } else { 3 });
    let script = format!(
        "sleep {patience}; for i in $(seq {lines}); do echo \"${{EPOCHREALTIME/,/.}}\"; sleep \
         {pause}; done"
    );
    let mut http = Http::connect(server).await?;
    let mut all = vec![];
    for _ in 0..jobs {
        all.push(http.run(&format!("```bash\n{script}\n```\n")).await?);
    }
    Ok(all)
}

/// Milliseconds until a job has written something.
async fn start(server: &Server) -> anyhow::Result<f64> {
    let mut http = Http::connect(server).await?;
    let begun = Instant::now();
    let job = http.run("```sh\necho ready\n```\n").await?;
    let mut events = http.events(job, 0).await?;
    events.until(|event| http::output(event).is_some()).await?;
    let took = millis(begun);
    events.complete().await?;
    Ok(took)
}
