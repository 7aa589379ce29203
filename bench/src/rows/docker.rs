//! From `POST` to the end of a job on Docker, beside what the daemon needs for its container.

use anyhow::Context as _;
use serde_json::json;
use testkit::Server;

use crate::bed::Bed;
use crate::daemon::Daemon;
use crate::look;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const PAIRS: usize = 60;
/// What may be on top of the daemon's own work.
const MOST: f64 = 1.15;
const COMMAND: &str = "echo ready";

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::find().await?;
    let server = daemon.server(bed).await?;
    let measured = measure(bed, &daemon, &server).await;
    daemon.clean_up(server).await?;
    let (times, raw) = measured?;
    let ratios = times.iter().zip(&raw).map(|(ours, raw)| ours / raw).collect();
    let ratio = Summary::of(ratios).context("no rounds")?.median;
    let median = Summary::of(raw.clone()).context("no rounds")?.median;
    let text = format!("p50 ≤ {MOST} × raw ({median:.0} ms)");
    Ok(vec![Row {
        name: "POST → complete on Docker".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Median, MOST * median, text),
        measured: Summary::of(times).context("no rounds")?,
        floors: vec![Floor::new("raw create, start, wait, remove", Ok(raw))],
        note: format!(
            "`{COMMAND}` as a runbook, until the event `ended`: the ZIP is on the disk and the \
             container is gone. Raw is the same command in a container with the same image and \
             `HostConfig`, mounts included, by the daemon's API. In pairs, one after the other: the \
             median of their ratios is {ratio:.2}."
        ),
    }])
}

/// Milliseconds of jobs, and of raw containers in turns with them.
async fn measure(
    bed: &Bed,
    daemon: &Daemon,
    server: &Server,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    // Runs all the time: raw containers have its mounts.
    let stays = look::begin(server, &runbook("echo ready; sleep 1000")).await?;
    let raw_one = daemon.like(&daemon.of_job(stays).await?, COMMAND).await?;
    let job = runbook(COMMAND);
    super::hello::complete(server, &job).await?;
    daemon.life(&raw_one).await?;
    let (mut times, mut raw) = (vec![], vec![]);
    for _ in 0..bed.times(PAIRS) {
        times.push(super::hello::complete(server, &job).await?);
        raw.push(daemon.life(&raw_one).await?);
    }
    look::end(server, stays).await?;
    Ok((times, raw))
}

fn runbook(command: &str) -> serde_json::Value {
    json!({ "prompt": format!("```sh\n{command}\n```\n"), "mode": "runbook" })
}
