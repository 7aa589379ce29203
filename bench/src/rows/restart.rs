//! What a `kill -9` of the orchestrator costs: how long until the next one has its jobs again, and
//! whether any job or step is lost or run twice.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use testkit::{DataDir, Server};
use types::JobId;

use crate::bed::Bed;
use crate::http::{self, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const ROUNDS: usize = 20;
/// Every job's steps, and the lines of each; one line takes 20 ms.
const STEPS: usize = 3;
const LINES: usize = 10;
/// The kill comes at another moment of the jobs' lives every round, this much later.
const LATER: Duration = Duration::from_millis(23);

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (mut attached, mut started, mut wrong) = (vec![], vec![], vec![]);
    let mut delay = Duration::ZERO;
    for _ in 0..bed.times(ROUNDS) {
        let (time, mistakes) = crash(bed, delay).await?;
        attached.push(time);
        wrong.push(mistakes);
        started.push(start(bed).await?);
        delay += LATER;
    }
    let jobs = 2 * bed.cores;
    Ok(vec![
        Row {
            name: "kill -9 → a running job's next event".into(),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Max, 1000.0, "≤ 1 s"),
            measured: Summary::of(attached).context("no rounds")?,
            floors: vec![Floor::new("start on an empty data directory", Ok(started))],
            note: "From the start of the new process to the first event that the old one did not \
                   have."
                .into(),
        },
        Row {
            name: "jobs lost, or with steps lost or run twice, by a kill -9".into(),
            unit: "jobs".into(),
            target: Target::at_most(Statistic::Max, 0.0, "0"),
            measured: Summary::of(wrong).context("no rounds")?,
            floors: vec![],
            note: format!(
                "Each time {jobs} jobs, half of them running, and a kill at another moment; \
                 afterwards each must be complete and its log word for word as it should be."
            ),
        },
    ])
}

/// Milliseconds until a running job goes on, and how many jobs came out wrong.
async fn crash(bed: &Bed, delay: Duration) -> anyhow::Result<(f64, f64)> {
    let data = DataDir::new();
    let server = bed.server_on(&data).await;
    let mut http = Http::connect(&server).await?;
    let mut jobs = vec![];
    for _ in 0..2 * bed.cores {
        jobs.push(http.run(&runbook()).await?);
    }
    let last_seq = seen(&server, jobs[0], delay).await?;
    server.kill().await;
    let begun = Instant::now();
    let server = bed.server_on(&data).await;
    let next = Http::connect(&server).await?.events(jobs[0], last_seq).await?.next().await?;
    let took = millis(begun);
    next.context("the job went on")?;
    let mut wrong = 0.0;
    for job in jobs {
        if !is_right(&server, job).await? {
            wrong += 1.0;
        }
    }
    Ok((took, wrong))
}

/// Follows a job from its first output for so long; the last event there was.
async fn seen(server: &Server, job: JobId, time: Duration) -> anyhow::Result<u64> {
    let mut events = Http::connect(server).await?.events(job, 0).await?;
    let mut last = events.until(|event| http::output(event).is_some()).await?;
    let end = tokio::time::Instant::now() + time;
    while let Ok(next) = tokio::time::timeout_at(end, events.next()).await {
        last = next?.context("the job ended before the kill")?;
    }
    ensure!(!http::is_end(&last.event), "the job ended before the kill");
    Ok(last.seq)
}

async fn is_right(server: &Server, job: JobId) -> anyhow::Result<bool> {
    Http::connect(server).await?.events(job, 0).await?.until(http::is_end).await?;
    let mut http = Http::connect(server).await?;
    let status: serde_json::Value =
        serde_json::from_slice(&http.get(&format!("/status/{job}")).await?)?;
    let log = http.get(&format!("/logs/{job}/stdout")).await?;
    Ok(status["status"] == "complete" && log == expected())
}

fn runbook() -> String {
    let step =
        |n| format!("```sh\nfor i in $(seq {LINES}); do echo {n} $i; sleep 0.02; done\n```\n\n");
    (1..=STEPS).map(step).collect()
}

fn expected() -> String {
    (1..=STEPS).flat_map(|n| (1..=LINES).map(move |i| format!("{n} {i}\n"))).collect()
}

/// Milliseconds until a server without a past is ready.
async fn start(bed: &Bed) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let server = bed.server().await;
    Http::connect(&server).await?.get("/jobs").await?;
    let took = millis(begun);
    server.stop().await;
    Ok(took)
}
