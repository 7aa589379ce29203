//! What an orchestrator needs while it has nothing to do.

use anyhow::Context as _;

use crate::bed::Bed;
use crate::http::{self, Http};
use crate::machine::Memory;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

/// So many have run before one looks again.
const JOBS: usize = 50;
const SERVERS: usize = 5;

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (mut fresh, mut used, mut bare) = (vec![], vec![], vec![]);
    for _ in 0..bed.times(SERVERS) {
        let server = bed.server().await;
        // Once something was asked for it is up in all its parts.
        Http::connect(&server).await?.get("/jobs").await?;
        fresh.push(resident(server.pid())?);
        for _ in 0..bed.times(JOBS) {
            let job = Http::connect(&server).await?.run("```sh\necho ready\n```\n").await?;
            Http::connect(&server).await?.events(job, 0).await?.until(http::is_end).await?;
        }
        used.push(resident(server.pid())?);
        let (floor, _) = super::status::floor().await?;
        bare.push(resident(floor.id().context("the floor runs")?)?);
        server.stop().await;
    }
    let used = Summary::of(used).context("no servers")?;
    Ok(vec![Row {
        name: "orchestrator, idle".into(),
        unit: "MiB".into(),
        target: Target::at_most(Statistic::Median, 25.0, "≤ 25 MiB"),
        measured: Summary::of(fresh).context("no servers")?,
        floors: vec![Floor::new("bare hyper", Ok(bare))],
        note: format!(
            "Resident memory after the start. After {} jobs, one after the other: {:.1} MiB.",
            bed.times(JOBS),
            used.median
        ),
    }])
}

fn resident(pid: u32) -> anyhow::Result<f64> {
    Ok(Memory::of(pid)?.resident)
}
