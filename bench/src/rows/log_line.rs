//! From a line that a job writes to a client that follows the job.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::bed::Bed;
use crate::http::{self, Events, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;

const LINES: usize = 300;
const ROUNDS: usize = 3;

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let lines = if bed.quick { 10 } else { LINES };
    // Bash takes the time itself, so that no process is started between that and the line.
    let script =
        format!("for i in $(seq {lines}); do echo \"${{EPOCHREALTIME/,/.}}\"; sleep 0.005; done\n");
    let server = bed.server().await;
    let (mut streamed, mut piped) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        streamed.extend(follow(&server, &script).await?);
        let script = script.clone();
        piped.extend(tokio::task::spawn_blocking(move || pipe(&script)).await??);
    }
    Ok(vec![Row {
        name: "a job's line → a client that follows it".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::P99, 10.0, "p99 ≤ 10 ms"),
        measured: Summary::of(streamed).context("no lines")?,
        floors: vec![Floor::new("the same script through a pipe", Ok(piped))],
        note:
            "The job prints the time, 200 times a second at most; the client compares it with its \
               own when the line is there."
                .into(),
    }])
}

pub(super) async fn follow(server: &testkit::Server, script: &str) -> anyhow::Result<Vec<f64>> {
    let mut http = Http::connect(server).await?;
    let job = http.run(&format!("```bash\n{script}```\n")).await?;
    ages(&mut http.events(job, 0).await?).await
}

/// How old the lines of a job are when they are here, in milliseconds: each is the time of its writing.
pub(super) async fn ages(events: &mut Events) -> anyhow::Result<Vec<f64>> {
    let (mut ages, mut unread) = (vec![], String::new());
    while let Some(event) = events.next().await? {
        let now = now()?;
        unread.push_str(http::output(&event.event).unwrap_or_default());
        while let Some((line, rest)) = unread.split_once('\n') {
            ages.push(age(line, now)?);
            unread = rest.to_owned();
        }
    }
    Ok(ages)
}

fn pipe(script: &str) -> anyhow::Result<Vec<f64>> {
    let mut bash = Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn()?;
    let stdout = BufReader::new(bash.stdout.take().context("a pipe")?);
    let ages = stdout.lines().map(|line| age(&line?, now()?)).collect();
    bash.wait()?;
    ages
}

/// How long ago this line was written, in milliseconds.
fn age(line: &str, now: f64) -> anyhow::Result<f64> {
    let written: f64 = line.trim().parse().with_context(|| format!("the time {line:?}"))?;
    Ok((now - written) * 1e3)
}

/// Seconds of the wall clock, as bash tells them.
fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
