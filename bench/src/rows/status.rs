//! How often a second `GET /status/{id}` is answered, with many jobs to choose from.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use testkit::Server;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::bed::Bed;
use crate::http::{self, Http};
use crate::load::{Load, load};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const JOBS: usize = 5_000;
/// Of them have run; the others wait behind jobs that do not end.
const ENDED: usize = 300;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (jobs, ended) = if bed.quick { (50, 5) } else { (JOBS, ENDED) };
    let round = if bed.quick { ROUND / 20 } else { ROUND };
    let server = bed.server().await;
    let paths = fill(&server, jobs, ended, bed.cores).await?;
    let (_floor, bare) = floor().await?;
    let address = http::address(&server)?;
    let key = key(bed, &server).await?;
    let (mut rates, mut keyed_rates, mut bare_rates) = (vec![], vec![], vec![]);
    let mut latencies = vec![];
    for _ in 0..bed.times(ROUNDS) {
        let measured = ask(address, &paths, None, round).await?;
        rates.push(measured.rate);
        latencies.extend(measured.latencies);
        keyed_rates.push(ask(address, &paths, Some(&key), round / 2).await?.rate);
        bare_rates.push(ask(bare, &paths, None, round).await?.rate);
    }
    let latency = Summary::of(latencies).context("no answers")?;
    let keyed = Row {
        name: format!("GET /status with {jobs} jobs, showing a key"),
        unit: "/s".into(),
        target: Target::at_least(Statistic::Median, 10_000.0, "≥ 10,000 /s"),
        measured: Summary::of(keyed_rates).context("no rounds")?,
        floors: vec![Floor::new("without a key", Ok(rates.clone()))],
        note: "The same calls with `Authorization: Bearer …`, a key of scope `read`.".into(),
    };
    let plain = Row {
        name: format!("GET /status with {jobs} jobs"),
        unit: "/s".into(),
        target: Target::at_least(Statistic::Median, 10_000.0, "≥ 10,000 /s"),
        measured: Summary::of(rates).context("no rounds")?,
        floors: vec![Floor::new("bare hyper, one fixed answer", Ok(bare_rates))],
        note: format!(
            "{CONNECTIONS} kept connections of one client, a thread on plain sockets that shares the \
             cores. One answer took {:.2} ms (p99 {:.2}). {ended} of the jobs have ended, the others wait.",
            latency.median, latency.p99
        ),
    };
    Ok(vec![plain, keyed])
}

/// A new key of a server.
async fn key(bed: &Bed, server: &Server) -> anyhow::Result<String> {
    let mut command = Command::new(&bed.cagent);
    command.args(["key", "create", "bench", "--scope", "read", "--data-dir"]);
    let output = command.arg(server.data_dir().path()).output().await?;
    ensure!(output.status.success(), "cagent key create: {output:?}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Gives the server so many jobs; what to ask it about them.
pub(super) async fn fill(
    server: &Server,
    jobs: usize,
    ended: usize,
    slots: usize,
) -> anyhow::Result<Vec<String>> {
    let mut http = Http::connect(server).await?;
    let mut all = vec![];
    for _ in 0..ended {
        all.push(http.run("```sh\necho ready\n```\n").await?);
    }
    for _ in 0..slots {
        all.push(http.run("```sh\necho blocks\nsleep 1000\n```\n").await?);
    }
    for n in all.len()..jobs {
        all.push(http.run(&format!("# Job {n}\n\n```sh\necho {n}\n```\n")).await?);
    }
    // The last that blocks runs when all before it have ended.
    let events = Http::connect(server).await?.events(all[ended + slots - 1], 0);
    events.await?.until(|event| http::output(event).is_some()).await?;
    Ok(all.iter().map(|job| format!("/status/{job}")).collect())
}

pub(super) async fn ask(
    address: std::net::SocketAddr,
    paths: &[String],
    key: Option<&str>,
    time: Duration,
) -> anyhow::Result<Load> {
    let (paths, key) = (paths.to_vec(), key.map(str::to_owned));
    let work = move || load(address, &paths, key.as_deref(), CONNECTIONS, time);
    tokio::task::spawn_blocking(work).await?
}

/// This program again, as the least of a server. Killed when it is dropped.
pub(super) async fn floor() -> anyhow::Result<(Child, std::net::SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor-server").stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("start the floor of a server")?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("a pipe")?;
    BufReader::new(stdout).read_line(&mut line).await?;
    Ok((child, line.trim().parse().context("its address")?))
}
