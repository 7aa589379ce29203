//! `make bench`: measures what we promise in numbers, on this machine, each promise beside its
//! floor: what the same machine does, in turns with it, with less.
//!
//! The program that is measured is the released one, in a process of its own, over HTTP on loopback.
//! What is promised stands in the rows (`rows/`), one file each. Not here: whether it is right; the
//! tests of the other crates say that.

mod bare;
mod bed;
mod chart;
mod command;
mod daemon;
mod family;
mod floor_server;
mod http;
mod load;
mod look;
mod machine;
mod missing;
mod model;
mod pack;
mod report;
mod rfb;
mod row;
mod rows;
mod stats;
mod steps;
mod tree;
mod xvnc;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum as _};

use bed::Bed;
use machine::Machine;
use missing::Missing;
use report::Report;
use rows::What;

/// Measures what we promise in numbers.
#[derive(Debug, Parser)]
struct Args {
    /// The program to measure [default: the one beside this one]
    #[arg(long, value_name = "FILE")]
    cagent: Option<PathBuf>,
    /// Only this; may be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    only: Vec<What>,
    /// As few measurements as show that measuring works
    #[arg(long)]
    quick: bool,
    /// Also build the agent image, without what was built before: minutes
    #[arg(long)]
    image: bool,
    /// And beside it what the Dockerfile in this folder builds
    #[arg(long, value_name = "DIR", requires = "image")]
    prototype: Option<PathBuf>,
    /// Where the results go, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write bench/RESULTS.md and bench/results.svg
    #[arg(long)]
    publish: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does in a process of its own.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Part {
    /// Serve the floor of `GET /status`
    FloorServer,
    /// Make sandboxes as standard input says
    Bare { helper: PathBuf },
    /// Pack a directory and tell what it took
    Pack { workspace: PathBuf, target: PathBuf },
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    match args.part {
        Some(Part::FloorServer) => runtime.block_on(floor_server::serve())?,
        Some(Part::Bare { helper }) => runtime.block_on(bare::serve(&helper))?,
        Some(Part::Pack { workspace, target }) => pack::pack(&workspace, &target)?,
        None => {
            let report = runtime.block_on(unless_interrupted(measure(&args)))?;
            publish(&args, &report)?;
            return Ok(ExitCode::from(u8::from(!report.failures.is_empty())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives up on Ctrl-C, so that what was begun is cleaned up.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}

async fn measure(args: &Args) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let beside = std::env::current_exe()?.with_file_name("cagent");
    let bed = Bed::new(args.cagent.as_ref().unwrap_or(&beside), args.quick)?;
    let bed = Bed { builds_image: args.image, prototype: args.prototype.clone(), ..bed };
    let machine = Machine::look(&bed)?;
    let (mut rows, mut skipped, mut failures) = (vec![], vec![], vec![]);
    for what in What::value_variants()
        .iter()
        .filter(|what| args.only.is_empty() || args.only.contains(what))
    {
        let (what, bed) = (*what, bed.clone());
        // A task of its own: a row that panics is one that could not be measured.
        match tokio::spawn(async move { what.measure(&bed).await }).await {
            Ok(Ok(measured)) => {
                measured.iter().for_each(|row| say(&row.line()));
                rows.extend(measured);
            }
            Ok(Err(why)) if why.is::<Missing>() => skipped.push(format!("{what:?}: {why:#}")),
            Ok(Err(why)) => failures.push(format!("{what:?}: {why:#}")),
            Err(why) => failures.push(format!("{what:?}: {why}")),
        }
    }
    skipped.iter().for_each(|skipped| say(&format!("skipped {skipped}")));
    failures.iter().for_each(|failure| say(&format!("FAILED  {failure}")));
    Ok(Report { machine, rows, skipped, failures, seconds: begun.elapsed().as_secs_f64() })
}

fn publish(args: &Args, report: &Report) -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let json = args.json.clone().unwrap_or_else(|| here.join("../target/bench/results.json"));
    write(&json, serde_json::to_string_pretty(report)? + "\n")?;
    if args.publish {
        write(&here.join("RESULTS.md"), report.markdown())?;
        write(&here.join("results.svg"), chart::svg(&report.rows))?;
    }
    Ok(())
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
