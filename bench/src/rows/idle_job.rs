//! The memory of a job that waits: all its processes, on both engines, with a desktop and without.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::json;
use testkit::Server;
use types::JobId;

use crate::bed::Bed;
use crate::daemon::{Daemon, Staying};
use crate::machine::proportional;
use crate::missing::Missing;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;
use crate::{family, look, xvnc};

const JOBS: usize = 5;
const WAITS: &str = "echo ready; sleep 1000";
/// The same, after the window manager has come.
const WAITS_WITH_WINDOWS: &str =
    "until test -e /tmp/.cagent-desktop-managed; do sleep 0.05; done; echo ready; sleep 1000";

/// What every note begins with.
const WHAT: &str = "PSS of all processes of a job whose step is `sleep`: what is shared is divided \
                    among all who share it.";

/// On the embedded engine, without a desktop.
pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let jobs = embedded(bed, WAITS, false).await?;
    let plain = (0..bed.times(JOBS)).map(|_| plain()).collect();
    row(
        "memory of an idle job",
        jobs,
        Floor::new("the same shell alone", plain),
        format!("{WHAT} {} run at one time.", bed.times(JOBS)),
    )
}

/// On the embedded engine, with one.
pub(super) async fn with_desktop(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    xvnc::needed()?;
    let jobs = embedded(bed, WAITS_WITH_WINDOWS, true).await?;
    let without = embedded(bed, WAITS, false).await;
    row(
        "memory of an idle job with a desktop",
        jobs,
        Floor::new("without a desktop", without),
        format!("{WHAT} Beside those of a job without one: Xvnc with 1280 × 800 pixels, openbox."),
    )
}

/// On Docker, without one.
pub(super) async fn on_docker(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::find().await?;
    let server = daemon.server(bed).await?;
    let measured = containers(bed, &daemon, &server).await;
    daemon.clean_up(server).await?;
    let (jobs, raw) = measured?;
    row(
        "memory of an idle job on Docker",
        jobs,
        Floor::new("raw container of the same command", Ok(raw)),
        format!(
            "{WHAT} Docker's own process for each container (its shim) is one of them; both run at one time."
        ),
    )
}

fn row(name: &str, jobs: Vec<f64>, floor: Floor, note: String) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row {
        name: name.into(),
        unit: "MiB".into(),
        target: Target::none(Statistic::Median),
        measured: Summary::of(jobs).context("no jobs")?,
        floors: vec![floor],
        note,
    }])
}

/// What each of some jobs has that run at one time, in MiB.
async fn embedded(bed: &Bed, command: &str, desktop: bool) -> anyhow::Result<Vec<f64>> {
    let jobs = bed.times(JOBS);
    let server = Bed { cores: jobs, ..bed.clone() }.server().await;
    let mut all = vec![];
    for _ in 0..jobs {
        all.push(begin(&server, command, desktop).await?);
    }
    let families = family::each(server.data_dir().path())?;
    ensure!(families.len() == jobs, "{} sandboxes run, not {jobs}", families.len());
    let sizes = families.iter().map(proportional).collect::<anyhow::Result<_>>()?;
    for job in all {
        look::end(&server, job).await?;
    }
    Ok(sizes)
}

/// What the command has by itself, in MiB.
fn plain() -> anyhow::Result<f64> {
    let mut command = Command::new("sh");
    // A group of its own: what it starts after we looked ends with it, too.
    let mut shell = command.args(["-c", WAITS]).process_group(0).stdout(Stdio::piped()).spawn()?;
    let group = rustix::process::Pid::from_child(&shell);
    let mut said = [0; 6];
    std::io::Read::read_exact(shell.stdout.as_mut().context("a pipe")?, &mut said)?;
    let all = family::below(shell.id().try_into()?)?;
    let size = proportional(&all);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
    shell.wait()?;
    size
}

/// What containers of jobs have, and raw ones, in MiB.
async fn containers(
    bed: &Bed,
    daemon: &Daemon,
    server: &Server,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut jobs, mut raw) = (vec![], vec![]);
    for _ in 0..bed.times(JOBS) {
        let job = begin(server, WAITS, false).await?;
        let container = daemon.of_job(job).await?;
        let alone = daemon.stay(&daemon.like(&container, WAITS).await?).await?;
        // Both at the same time: they share the pages of their shims.
        let sizes = size(&container).and_then(|job| Ok((job, size(&alone)?)));
        daemon.remove(&alone.id).await?;
        let (job_size, raw_size) = sizes?;
        jobs.push(job_size);
        raw.push(raw_size);
        look::end(server, job).await?;
    }
    Ok((jobs, raw))
}

/// What a container's processes have, and the one that Docker or Podman has for it, in MiB.
fn size(container: &Staying) -> anyhow::Result<f64> {
    let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid));
    if !cgroup.is_ok_and(|text| text.contains(&container.id)) {
        return Err(Missing::of(
            "the daemon's containers are not processes of this machine; unset DOCKER_HOST",
        ));
    }
    proportional(&family::below(family::parent(container.pid)?)?)
}

async fn begin(server: &Server, command: &str, desktop: bool) -> anyhow::Result<JobId> {
    let prompt = format!("```sh\n{command}\n```\n");
    look::begin(server, &json!({ "prompt": prompt, "mode": "runbook", "desktop": desktop })).await
}
