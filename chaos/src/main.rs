//! `make chaos`: gives a real server a mixed load, pulls its plug at random but seeded moments, and
//! checks from outside that every accepted job is accounted for exactly once, that no step ran twice,
//! that no stream has a gap, and that nothing is left behind. One line is the score.
//!
//! What is done when is a pure function of the seed (`plan`); what must hold is in `judge` and
//! `leftovers`. Not here: hooks in the product. What is done to it is done from outside, by signals,
//! `strace`, and a disk of our own.

mod api;
mod disk;
mod judge;
mod leftovers;
mod load;
mod orchestrator;
mod plan;
mod processes;
mod score;
mod site;
mod strace;
mod strike;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, ValueEnum as _};
use fastrand::Rng;
use tokio::signal::unix::{SignalKind, signal};

use api::Api;
use judge::{Kind, Violation};
use load::Load;
use plan::Fault;
use score::Score;
use site::Site;
use strike::Done;

/// How many clients give jobs, one after the other each.
const CLIENTS: u64 = 10;

/// Pulls the plug at seeded moments, and counts what was lost.
#[derive(Debug, Parser)]
struct Args {
    /// The program [default: the one beside this one]
    #[arg(long, value_name = "FILE")]
    cagent: Option<PathBuf>,
    /// What is done when; the same again with the same options [default: a new one]
    #[arg(long)]
    seed: Option<u64>,
    /// How often the orchestrator is killed
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Which engines run the jobs
    #[arg(long, value_delimiter = ',', default_value = "local,docker")]
    engines: Vec<String>,
    /// What goes wrong [default: everything]
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Fault::value_variants().to_vec())]
    faults: Vec<Fault>,
    /// How long a disturbance lasts at most, in milliseconds
    #[arg(long, default_value_t = 10_000)]
    longest: u64,
    /// Leave the data directory for a look
    #[arg(long)]
    keep: bool,
    /// Tell what is done
    #[arg(long)]
    verbose: bool,
}

impl Args {
    fn cagent(&self) -> anyhow::Result<PathBuf> {
        let given = self.cagent.clone();
        Ok(std::path::absolute(given.map_or_else(site::beside, Ok)?)?)
    }
}

/// No verdict could be reached.
const BROKEN_OFF: u8 = 2;

fn main() -> ExitCode {
    // Without a trace of calls: it hides what was said.
    attempt(&Args::parse()).unwrap_or_else(|why| {
        say(&format!("chaos: {why:#}"));
        ExitCode::from(BROKEN_OFF)
    })
}

fn attempt(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let score = runtime.block_on(async {
        tokio::select! {
            score = run(args) => score,
            why = interrupted() => Err(why.context("interrupted")),
        }
    })?;
    for Violation { kind, what } in &score.violations {
        say(&format!("{kind:?}: {what}"));
    }
    say(&score.line());
    if !score.is_clean() {
        say(&format!("replay: {}", replay(args, score.seed)));
    }
    Ok(ExitCode::from(u8::from(!score.is_clean())))
}

/// Told to stop: what was begun is taken down then.
async fn interrupted() -> anyhow::Error {
    let terminated = async {
        let mut signals = signal(SignalKind::terminate())?;
        anyhow::Ok(signals.recv().await)
    };
    tokio::select! {
        got = tokio::signal::ctrl_c() => anyhow::anyhow!("by SIGINT: {got:?}"),
        got = terminated => anyhow::anyhow!("by SIGTERM: {got:?}"),
    }
}

async fn run(args: &Args) -> anyhow::Result<Score> {
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let mut site = Site::prepare(args, say).await?;
    let plan = plan::plan(seed, args.kills, &site.faults, args.longest);
    let tell = |line: &str| {
        if args.verbose {
            say(line)
        }
    };
    plan.iter().for_each(|strike| tell(&format!("{strike:?}")));
    site.orchestrator.start().await?;
    let api = Api { url: site.orchestrator.url(), http: testkit::http_client() };
    let (load, mut done, mut violations) = (Arc::new(Load::default()), Done::default(), vec![]);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (load, api, engines) = (load.clone(), api.clone(), site.engines.clone());
            let rng = Rng::with_seed(seed ^ (n << 32));
            tokio::spawn(async move { load.client(&api, &engines, rng).await })
        })
        .collect();
    if let Err(why) = strike::all(&mut site, &load, &plan, &mut done, tell).await {
        let what = format!("{why:#}");
        // What its jobs came to is worth knowing all the same.
        if site.orchestrator.died().is_some() || site.orchestrator.pid().is_err() {
            site.orchestrator.start().await.with_context(|| format!("again, after: {what}"))?;
        }
        violations.push(Violation { kind: Kind::Wrong, what });
    }
    load.enough();
    for client in clients {
        client.await.context("a client")?;
    }
    let requests = load.requests();
    let known = judge::known(&api).await?;
    violations.extend(judge::judge(&api, &known, &requests, &done).await?);
    let kept = judge::kept(&api, &known).await?;
    let is_none_of_it = |what: &String| !kept.iter().any(|job| what.contains(job));
    let left = leftovers::left(&site, &known, is_none_of_it).await;
    violations.extend(left.into_iter().map(|what| Violation { kind: Kind::Leftover, what }));
    site.orchestrator.stop().await?;
    let left = leftovers::look(&site, &known).into_iter().filter(is_none_of_it);
    violations.extend(left.map(|what| Violation {
        kind: Kind::Leftover,
        what: format!("after the server's end: {what}"),
    }));
    if args.keep {
        let kept = site.keep();
        say(&format!("chaos: kept {kept:?}"));
    }
    Ok(Score {
        seed,
        kills: done.kills,
        others: done.others,
        accepted: requests.iter().filter(|request| !request.jobs.is_empty()).count(),
        accounted: known.len(),
        violations,
        took: begun.elapsed(),
    })
}

/// The command that does the same again.
fn replay(args: &Args, seed: u64) -> String {
    let faults = args.faults.iter().filter_map(|fault| fault.to_possible_value());
    let faults: Vec<_> = faults.map(|fault| fault.get_name().to_owned()).collect();
    format!(
        "chaos --seed {seed} --kills {} --engines {} --longest {} --faults {} --verbose --keep",
        args.kills,
        args.engines.join(","),
        args.longest,
        faults.join(","),
    )
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
