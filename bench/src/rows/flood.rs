//! What a job suffers from one beside it that writes as fast as it can, while clients of that one
//! do not read.

use anyhow::Context as _;
use serde_json::json;
use testkit::Server;

use super::log_line;
use crate::bed::Bed;
use crate::http::{Events, Http};
use crate::look;
use crate::machine::Memory;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const LINES: usize = 200;
const ROUNDS: usize = 2;
const STALLED: usize = 100;
/// It takes its share of the processor and says nothing.
const BUSY: &str = "echo ready; while :; do :; done";
/// Lines, and one by one to two streams: few bytes and many events.
const FLOODS: [(&str, &str); 2] = [
    ("bytes", "echo ready; yes 0123456789012345678901234567890123456789"),
    ("events", "echo ready; while :; do echo a; echo b >&2; done"),
];

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let bed = Bed { cores: 2, ..bed.clone() };
    let server = bed.server().await;
    let mut rows = vec![];
    for (what, flood) in FLOODS {
        let (mut beside, mut alone, mut busy) = (vec![], vec![], vec![]);
        let before = Memory::of(server.pid())?.peak;
        for _ in 0..bed.times(ROUNDS) {
            alone.extend(victim(&bed, &server).await?);
            busy.extend(victim_beside(&bed, &server, BUSY).await?);
            beside.extend(victim_beside(&bed, &server, flood).await?);
        }
        let growth = Memory::of(server.pid())?.peak - before;
        rows.push(row(what, beside, busy, alone, growth)?);
    }
    Ok(rows)
}

fn row(
    what: &str,
    beside: Vec<f64>,
    busy: Vec<f64>,
    alone: Vec<f64>,
    growth: f64,
) -> anyhow::Result<Row> {
    let floor = Summary::of(busy.clone()).context("no lines")?.p99;
    Ok(Row {
        name: format!("a job's line beside a flood of {what}"),
        unit: "ms".into(),
        target: Target::at_most(
            Statistic::P99,
            3.0 * floor,
            format!("p99 ≤ 3 × beside a busy loop ({floor:.1} ms)"),
        ),
        measured: Summary::of(beside).context("no lines")?,
        floors: vec![
            Floor::new("beside a job that is a busy loop", Ok(busy)),
            Floor::new("alone", Ok(alone)),
        ],
        note: format!(
            "50 lines a second, followed by a client, beside a job that writes as fast as it can and \
             is followed by {STALLED} clients that do not read. The orchestrator's peak grew by \
             {growth:.1} MiB."
        ),
    })
}

async fn victim_beside(bed: &Bed, server: &Server, command: &str) -> anyhow::Result<Vec<f64>> {
    let prompt = format!("```bash\n{command}\n```\n");
    let job = look::begin(server, &json!({ "prompt": prompt, "mode": "runbook" })).await?;
    let mut stalled: Vec<Events> = vec![];
    for _ in 0..bed.times(STALLED) {
        stalled.push(Http::connect(server).await?.events(job, 0).await?);
    }
    let ages = victim(bed, server).await?;
    drop(stalled);
    look::end(server, job).await?;
    Ok(ages)
}

async fn victim(bed: &Bed, server: &Server) -> anyhow::Result<Vec<f64>> {
    let lines = if bed.quick { 5 } else { LINES };
    let script =
        format!("for i in $(seq {lines}); do echo \"${{EPOCHREALTIME/,/.}}\"; sleep 0.02; done\n");
    log_line::follow(server, &script).await
}
