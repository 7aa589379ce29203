//! From `POST` to the first output of a one-step runbook, and on to its ZIP; with a hard disk quota
//! and without.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;
use testkit::{DataDir, Server};
use types::JobId;

use crate::bare::Bare;
use crate::bed::Bed;
use crate::command;
use crate::http::{self, Http};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const RUNBOOK: &str = "```sh\necho ready\n```\n";
const ROUNDS: usize = 200;

/// Runs a program in a mount namespace of its own in which nobody can make a file system: the
/// engine has no setting to do without quotas where it can have them.
const WITHOUT_QUOTA: &str = "#!/bin/sh
PATH=/usr/sbin:/sbin:/usr/bin:/bin
exec unshare --mount sh -c '
    mkfs=$(command -v mkfs.ext4) && mount --bind /dev/null \"$mkfs\"
    exec \"$0\" \"$@\"
' PROGRAM \"$@\"
";

/// A server, a bare launcher of the same kind, and what was measured of them.
struct Pair {
    server: Server,
    bare: Bare,
    has_quota: bool,
    output: Vec<f64>,
    complete: Vec<f64>,
    bare_output: Vec<f64>,
    bare_gone: Vec<f64>,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let folder = TempDir::new()?;
    let mut pairs = vec![Pair::new(bed, |program| Ok(program.into())).await?];
    if pairs[0].has_quota {
        pairs.push(Pair::new(bed, |program| without_quota(program, folder.path())).await?);
    }
    let mut commands = Commands::new();
    for _ in 0..bed.times(ROUNDS) {
        for pair in &mut pairs {
            pair.measure().await?;
        }
        commands.measure();
    }
    // The last one is that without a quota, or there is only one kind.
    let plain = pairs.pop().context("a pair")?;
    let complete = pairs.first().unwrap_or(&plain).complete_row()?;
    let mut rows = vec![plain.output_row(commands.floors())?];
    for pair in pairs {
        rows.push(pair.output_row(vec![])?);
    }
    rows.push(complete);
    Ok(rows)
}

impl Pair {
    async fn new(
        bed: &Bed,
        program: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<Self> {
        let bed_of_this = Bed { cagent: program(&bed.cagent)?, ..bed.clone() };
        let server = bed_of_this.server_on(&DataDir::new()).await;
        let bare = Bare::start(&program(&std::env::current_exe()?)?, server.data_dir().path())?;
        let (output, complete, bare_output, bare_gone) = (vec![], vec![], vec![], vec![]);
        let mut pair =
            Self { server, bare, has_quota: false, output, complete, bare_output, bare_gone };
        // The first job finds cold caches, which is not what is measured.
        let (job, ..) = pair.job().await?;
        pair.has_quota = has_quota(&pair.server, job).await?;
        Ok(pair)
    }

    async fn measure(&mut self) -> anyhow::Result<()> {
        let (_, output, complete) = self.job().await?;
        self.output.push(output);
        self.complete.push(complete);
        let life = self.bare.live_once(false)?;
        self.bare_output.push(life.output);
        self.bare_gone.push(life.gone);
        Ok(())
    }

    /// One job: milliseconds until its first output and until it is over.
    async fn job(&self) -> anyhow::Result<(JobId, f64, f64)> {
        let mut calls = Http::connect(&self.server).await?;
        let events = Http::connect(&self.server).await?;
        let begun = Instant::now();
        let job = calls.run(RUNBOOK).await?;
        let mut events = events.events(job, 0).await?;
        events.until(|event| http::output(event).is_some()).await?;
        let output = millis(begun);
        events.until(http::is_end).await?;
        Ok((job, output, millis(begun)))
    }

    fn output_row(&self, commands: Vec<Floor>) -> anyhow::Result<Row> {
        let bare = Summary::of(self.bare_output.clone()).context("no rounds")?;
        let (with, target) = if self.has_quota {
            ("with", Target::at_most(Statistic::Median, 20.0, "p50 ≤ 20 ms"))
        } else {
            let text = format!("p50 ≤ 3 × the bare launcher ({:.1} ms)", bare.median);
            ("without", Target::at_most(Statistic::Median, 3.0 * bare.median, text))
        };
        let bare = Floor::new("bare launcher", Ok(self.bare_output.clone()));
        Ok(Row {
            name: format!("POST → first output, {with} disk quota"),
            unit: "ms".into(),
            target,
            measured: Summary::of(self.output.clone()).context("no rounds")?,
            floors: [bare].into_iter().chain(commands).collect(),
            note: "One client on two kept connections: POST /schedule of a one-step runbook, then \
                   its live events until the output is there."
                .into(),
        })
    }

    fn complete_row(&self) -> anyhow::Result<Row> {
        let with = if self.has_quota { "with" } else { "without" };
        Ok(Row {
            name: format!("POST → complete with ZIP, {with} disk quota"),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Median, 50.0, "p50 ≤ 50 ms"),
            measured: Summary::of(self.complete.clone()).context("no rounds")?,
            floors: vec![Floor::new("bare launcher, removed", Ok(self.bare_gone.clone()))],
            note: "The same jobs, until the event `ended`: the ZIP is on the disk and the sandbox \
                   is gone."
                .into(),
        })
    }
}

/// What others need for the same.
struct Commands([(&'static str, Command, anyhow::Result<Vec<f64>>); 3]);

impl Commands {
    fn new() -> Self {
        Self([
            ("bwrap", command::bwrap(), Ok(vec![])),
            ("unshare", command::unshare(), Ok(vec![])),
            ("sh -c", command::plain(), Ok(vec![])),
        ])
    }

    /// What fails once is not tried again.
    fn measure(&mut self) {
        for (_, command, measured) in &mut self.0 {
            let Ok(all) = measured else { continue };
            match command::first_output(command) {
                Ok(value) => all.push(value),
                Err(why) => *measured = Err(why),
            }
        }
    }

    fn floors(self) -> Vec<Floor> {
        self.0.into_iter().map(|(name, _, measured)| Floor::new(name, measured)).collect()
    }
}

/// Whether the job's disk quota was enforced by the kernel.
async fn has_quota(server: &Server, job: JobId) -> anyhow::Result<bool> {
    let job = Http::connect(server).await?.get(&format!("/job/{job}")).await?;
    let job: Value = serde_json::from_slice(&job)?;
    let shortfalls = job["sandbox"]["shortfalls"].as_array().context("what is not enforced")?;
    Ok(!shortfalls.iter().any(|shortfall| shortfall["what"] == "disk"))
}

/// A script that runs this program without quotas.
fn without_quota(program: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let script = folder.join(program.file_name().context("a program")?);
    let text = WITHOUT_QUOTA.replace("PROGRAM", &program.display().to_string());
    std::fs::write(&script, text)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(script)
}
