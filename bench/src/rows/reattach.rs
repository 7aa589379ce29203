//! What a `kill -9` of the orchestrator costs when many jobs run: until each of them goes on.

use std::time::Instant;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use testkit::{DataDir, Server};
use types::JobId;

use crate::bed::Bed;
use crate::http::{self, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const JOBS: usize = 50;
const ROUNDS: usize = 3;
/// A line every tenth of a second, without a process for each.
const RUNBOOK: &str =
    "```bash\nexec 3<> <(:)\nwhile :; do echo $SECONDS; read -t 0.1 -u 3 || :; done\n```\n";

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let jobs = if bed.quick { 4 } else { JOBS };
    let bed = Bed { cores: jobs, ..bed.clone() };
    let data = DataDir::new();
    let mut server = bed.server_on(&data).await;
    let mut http = Http::connect(&server).await?;
    let mut all = vec![];
    for _ in 0..jobs {
        all.push((http.run(RUNBOOK).await?, 0));
    }
    all = go_on(&server, all).await?;
    let (mut attached, mut ready) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        server.kill().await;
        let begun = Instant::now();
        server = bed.server_on(&data).await;
        ready.push(millis(begun));
        all = go_on(&server, all).await?;
        attached.push(millis(begun));
    }
    for (job, _) in all {
        Http::connect(&server).await?.post(&format!("/cancel/{job}"), None).await?;
    }
    Ok(vec![Row {
        name: format!("kill -9 → all of {jobs} running jobs go on"),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Max, 1000.0, "≤ 1 s"),
        measured: Summary::of(attached).context("no rounds")?,
        floors: vec![Floor::new("until it listens", Ok(ready))],
        note: "From the start of the new process until a client has a new line of each job; they \
               write one every 0.1 s."
            .into(),
    }])
}

/// Waits for the next output of each job after this event; which that was.
async fn go_on(server: &Server, jobs: Vec<(JobId, u64)>) -> anyhow::Result<Vec<(JobId, u64)>> {
    try_join_all(jobs.into_iter().map(|(job, seen)| async move {
        let mut events = Http::connect(server).await?.events(job, seen).await?;
        let next = events.until(|event| http::output(event).is_some()).await?;
        anyhow::Ok((job, next.seq))
    }))
    .await
}
