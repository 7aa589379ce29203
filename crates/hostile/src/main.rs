//! `make hostile`: gives a real server programs that try to get out of their sandbox, and judges each:
//! it must say what refused it, and that must be what its head expects. A program that gets through,
//! ends some other way or says nothing, fails the suite; so does a secret of the host or of another job
//! that turns up in anything a job delivers, and whatever is left when all are over.
//!
//! Each program is a file in `programs/GROUP/`, which says what it tries, what it expects and which
//! layer refuses. Not here: what a sandbox can do that is no attack (the tests of the engines).

mod bait;
mod catalogue;
mod entry;
mod evidence;
mod judge;
mod leftovers;
mod score;
mod site;
mod victim;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use entry::Entry;
use judge::Verdict;
use score::Score;
use site::Site;

/// Runs programs that try to get out of their sandbox, and says what refused them.
#[derive(Debug, Parser)]
struct Args {
    /// The program [default: the one beside this one]
    #[arg(long, value_name = "FILE")]
    cagent: Option<PathBuf>,
    /// Which engines run them, one after the other
    #[arg(long, value_delimiter = ',', default_value = "local")]
    engines: Vec<Engine>,
    /// Only those with this in their name, such as `egress/` or `kernel/bpf`
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Measure what a job's work takes beside another one that does its worst, and run no programs
    #[arg(long)]
    victim: bool,
    /// Tell of each program as it ends
    #[arg(long)]
    verbose: bool,
}

/// What makes the sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Local,
    Docker,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

/// No verdict could be reached.
const BROKEN_OFF: u8 = 2;

fn main() -> ExitCode {
    attempt(&Args::parse()).unwrap_or_else(|why| {
        say(&format!("hostile: {why:#}"));
        ExitCode::from(BROKEN_OFF)
    })
}

fn attempt(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let mut is_clean = true;
    for engine in &args.engines {
        is_clean &= runtime.block_on(run(args, *engine))?;
    }
    Ok(ExitCode::from(u8::from(!is_clean)))
}

async fn run(args: &Args, engine: Engine) -> anyhow::Result<bool> {
    if args.victim {
        let figures = victim::measure(args, engine).await?;
        say(&figures.line(engine));
        return Ok(figures.is_within());
    }
    let score = score(args, engine).await?;
    say(&score.table());
    Ok(score.is_clean())
}

async fn score(args: &Args, engine: Engine) -> anyhow::Result<Score> {
    let begun = Instant::now();
    let named = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only));
    let wanted = |entry: &Entry| entry.is_for(engine) && named(&entry.name);
    let entries: Vec<_> = catalogue::read()?.into_iter().filter(wanted).collect();
    anyhow::ensure!(!entries.is_empty(), "there is no program of this name");
    let site = Arc::new(Site::start(args, engine).await?);
    let mut verdicts = vec![];
    for entry in entries.into_iter().map(Arc::new) {
        let verdict = one(&site, &entry).await;
        if args.verbose {
            say(&format!("{}: {verdict:?}", entry.name));
        }
        verdicts.push((entry.name.clone(), verdict));
    }
    let harmed = site.end_victim().await;
    let site = Arc::into_inner(site).context("a program still runs")?;
    let left = site.left().await;
    Ok(Score { engine, verdicts, harmed, left, took: begun.elapsed() })
}

/// One that hangs or breaks the server panics in its own task.
async fn one(site: &Arc<Site>, entry: &Arc<Entry>) -> Verdict {
    let (at, what) = (site.clone(), entry.clone());
    let seen = tokio::spawn(async move { evidence::gather(&at, &what).await }).await;
    match seen {
        Ok(Ok(seen)) => judge::judge(entry, site.engine, &seen),
        Ok(Err(why)) => Verdict::Unclear(format!("{why:#}")),
        Err(_) => Verdict::Unclear("the server did not answer as it should: see above".into()),
    }
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
