//! From a cancel to the end of the last process of the job's sandbox.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use testkit::Server;
use tokio::sync::oneshot;
use types::JobId;

use crate::bare::Bare;
use crate::bed::Bed;
use crate::daemon::Daemon;
use crate::family;
use crate::http::{self, Events, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const ROUNDS: usize = 50;
const CONTAINERS: usize = 10;
/// Three processes, of which one has left its group and its session; the last says that all are
/// there.
const RUNBOOK: &str =
    "```sh\nsleep 1000 &\nsetsid sleep 1000 &\nsh -c 'echo ready; exec sleep 1000'\n```\n";
/// The helper, agentd, the shell and the three.
const PROCESSES: usize = 6;

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let server = bed.server().await;
    let mut bare = Bare::start(&std::env::current_exe()?, server.data_dir().path())?;
    let (mut times, mut bare_times) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        times.push(cancel(&server).await?);
        bare_times.push(bare.live_once(true)?.stop);
    }
    Ok(vec![Row {
        name: "cancel → no process left".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::P99, 300.0, "≤ 300 ms"),
        measured: Summary::of(times).context("no rounds")?,
        floors: vec![Floor::new("bare launcher, stop", Ok(bare_times))],
        note: "From POST /cancel to the end of the last of the job's processes, agentd and the \
               sandbox's helper included. A process that ignores SIGTERM has 2 s more."
            .into(),
    }])
}

/// On Docker, beside the daemon's own kill.
pub(super) async fn on_docker(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::find().await?;
    let server = daemon.server(bed).await?;
    let measured = containers(bed, &daemon, &server).await;
    daemon.clean_up(server).await?;
    let (times, raw) = measured?;
    Ok(vec![Row {
        name: "cancel → no process left on Docker".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::P99, 1500.0, "≤ 1.5 s"),
        measured: Summary::of(times).context("no rounds")?,
        floors: vec![Floor::new("raw removal of such a container", Ok(raw))],
        note: "From POST /cancel to the end of the last process of the job's container.".into(),
    }])
}

/// Milliseconds of jobs, and of raw containers in turns with them.
async fn containers(
    bed: &Bed,
    daemon: &Daemon,
    server: &Server,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut times, mut raw) = (vec![], vec![]);
    for _ in 0..bed.times(CONTAINERS) {
        let (job, mut events) = begin(server).await?;
        let container = daemon.of_job(job).await?;
        let twin = daemon.stay(&daemon.like(&container, "sleep 1000").await?).await?;
        times.push(end(server, job, &mut events, family::below(container.pid)?).await?);
        let begun = Instant::now();
        daemon.remove(&twin.id).await?;
        raw.push(millis(begun));
    }
    Ok((times, raw))
}

async fn cancel(server: &Server) -> anyhow::Result<f64> {
    let (job, mut events) = begin(server).await?;
    let family = family::of(server.data_dir().path())?;
    ensure!(family.len() >= PROCESSES, "only {} processes run", family.len());
    end(server, job, &mut events, family).await
}

/// A job all of whose processes run.
async fn begin(server: &Server) -> anyhow::Result<(JobId, Events)> {
    let job = Http::connect(server).await?.run(RUNBOOK).await?;
    let mut events = Http::connect(server).await?.events(job, 0).await?;
    events.until(|event| http::output(event).is_some()).await?;
    Ok((job, events))
}

/// Milliseconds from its cancel to the end of the last of these.
async fn end(
    server: &Server,
    job: JobId,
    events: &mut Events,
    family: BTreeSet<i32>,
) -> anyhow::Result<f64> {
    let mut calls = Http::connect(server).await?;
    let open = |pid| Ok(pidfd_open(Pid::from_raw(pid).context("a pid")?, PidfdFlags::empty())?);
    let family: Vec<OwnedFd> = family.into_iter().map(open).collect::<anyhow::Result<_>>()?;
    let (ended, last_end) = oneshot::channel();
    std::thread::spawn(move || ended.send(last_end_of(&family)));
    let begun = Instant::now();
    calls.post(&format!("/cancel/{job}"), None).await?;
    let last =
        tokio::time::timeout(testkit::PATIENCE, last_end).await.context("wait for them")???;
    events.until(http::is_end).await?;
    Ok((last - begun).as_secs_f64() * 1e3)
}

/// When the last of them ended. Blocks.
fn last_end_of(processes: &[OwnedFd]) -> anyhow::Result<Instant> {
    for process in processes {
        poll(&mut [PollFd::new(process, PollFlags::IN)], None)?;
    }
    Ok(Instant::now())
}
