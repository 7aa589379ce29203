//! `cagent top`: what the jobs that run use.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use api::Job;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use types::{JobId, JobStatus, UsageSample};

use crate::args::{Format, Sort, TopArgs};
use crate::client::Client;
use crate::place::Place;
use crate::progress::painter::{Painter, Size};
use crate::progress::row::{Look, Row, width};
use crate::progress::view;
use crate::signals::Signals;
use crate::{job_name, output, text};

/// Between two looks.
const REST: Duration = Duration::from_secs(1);

const HEAD: [&str; 6] = ["JOB", "CPU", "MEMORY", "DISK", "PROCESSES", "TITLE"];

/// What a job uses.
struct Used {
    job: JobId,
    title: String,
    /// Cores that were busy lately, or since it began where nobody has looked twice.
    cores: Option<f64>,
    sample: UsageSample,
}

pub(super) async fn top(place: Place, args: &TopArgs, format: Format) -> anyhow::Result<ExitCode> {
    place.must_run()?;
    let mut looks = Looks::default();
    if format == Format::Text && !args.once && view::may_draw() {
        follow(place.client(), &mut looks, args.sort).await?;
    } else {
        let used = sorted(looks.look(place.client()).await?, args.sort);
        match format {
            Format::Text => output::table(HEAD, &used.iter().map(cells).collect::<Vec<_>>())?,
            Format::Json => output::json(&used.iter().map(document).collect::<Vec<_>>())?,
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Shows it until Ctrl-C.
async fn follow(client: &Client, looks: &mut Looks, sort: Sort) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut painter = Painter::new(io::stdout());
    let mut ticks = interval(REST);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let used = sorted(looks.look(client).await?, sort);
                let size = Size::now();
                painter.paint("", &rows(&used, size), size)?;
            }
            _ = signals.recv() => return Ok(painter.paint("\n", &[], Size::now())?),
        }
    }
}

/// The table, in what room there is.
fn rows(used: &[Used], size: Size) -> Vec<Row> {
    let all: Vec<_> =
        std::iter::once(HEAD.map(String::from)).chain(used.iter().map(cells)).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|at| all.iter().map(|row| width(&row[at])).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let fill = |(cell, wide): (&String, usize)| cell.clone() + &" ".repeat(wide - width(cell));
        row.iter().zip(widths).map(fill).collect::<Vec<_>>().join("  ")
    };
    let look = |at| if at == 0 { Look::Dim } else { Look::Usual };
    let room = size.rows.saturating_sub(2);
    let mut rows: Vec<_> = (0..).zip(&all).map(|(at, row)| Row::of(look(at), line(row))).collect();
    if used.is_empty() {
        rows = vec![Row::of(Look::Dim, "no job runs")];
    }
    rows.truncate(room.max(1));
    rows.push(Row::of(Look::Dim, "Ctrl-C leaves"));
    rows.into_iter().map(|row| row.cut(size.columns.saturating_sub(1))).collect()
}

/// When a job's processor time was last another, what it was then, and how many cores that was.
#[derive(Default)]
struct Looks(HashMap<JobId, (Instant, u64, f64)>);

impl Looks {
    async fn look(&mut self, client: &Client) -> anyhow::Result<Vec<Used>> {
        let running = client.jobs_in(&[JobStatus::Running], None).await?.jobs;
        let mut used = vec![];
        for job in running {
            // It may be gone by now.
            if let Ok(job) = client.job(job.job_id).await {
                used.push(self.seen(job, Instant::now()));
            }
        }
        let there = |job: &JobId| used.iter().any(|used| used.job == *job);
        self.0.retain(|job, _| there(job));
        Ok(used)
    }

    fn seen(&mut self, job: Job, now: Instant) -> Used {
        let sample = job.usage_now.unwrap_or_default();
        let began = job.started.map(|start| Timestamp::now().duration_since(start));
        let so_far = began.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
        let cores = sample.cpu_millis.map(|millis| self.cores(job.job_id, millis, now, so_far));
        let title = text::one_line(&job.title);
        Used { job: job.job_id, title, cores, sample }
    }

    /// The server looks ever less often: the same number says nothing new.
    fn cores(&mut self, job: JobId, millis: u64, now: Instant, so_far: Duration) -> f64 {
        let (then, had, cores) = self.0.get(&job).copied().unwrap_or((now, 0, 0.0));
        let time = if had == 0 { so_far } else { now.duration_since(then) };
        if millis == had || time.is_zero() {
            return cores;
        }
        let cores = millis.saturating_sub(had) as f64 / time.as_secs_f64() / 1000.0;
        self.0.insert(job, (now, millis, cores));
        cores
    }
}

fn sorted(mut used: Vec<Used>, by: Sort) -> Vec<Used> {
    used.sort_by_key(|used| {
        let number = match by {
            Sort::Cpu => used.cores.map(|cores| (cores * 1000.0) as u64),
            Sort::Memory => used.sample.memory_bytes,
            Sort::Disk => used.sample.disk_bytes,
            Sort::Processes => used.sample.processes,
        };
        Reverse(number)
    });
    used
}

fn cells(used: &Used) -> [String; 6] {
    let size = |bytes: Option<u64>| bytes.map(text::size).unwrap_or_default();
    [
        job_name::short(used.job),
        used.cores.map(|cores| format!("{:.0} %", cores * 100.0)).unwrap_or_default(),
        size(used.sample.memory_bytes),
        size(used.sample.disk_bytes),
        used.sample.processes.map(|number| number.to_string()).unwrap_or_default(),
        used.title.clone(),
    ]
}

fn document(used: &Used) -> serde_json::Value {
    json!({ "job_id": used.job, "title": used.title, "cores": used.cores, "usage": used.sample })
}
