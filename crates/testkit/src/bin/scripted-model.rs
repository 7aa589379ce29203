//! The scripted model server as a program: plays a scenario until it is interrupted, then says what
//! it counted and what was wrong. Not here: the server ([`testkit::scripted`]).

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use testkit::scripted::{Provider, Scenario, ScriptedModel};
use tokio::signal::unix::{SignalKind, signal};

/// Answers as models of Alchemyst, Gemini, OpenAI, Anthropic and Ollama would, from a scenario.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to say; crates/testkit/SCENARIOS.md describes it.
    scenario: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let scenario = Scenario::read(&args.scenario).map_err(anyhow::Error::msg)?;
    let builder = ScriptedModel::builder(scenario).listen(args.listen).forget();
    let model = builder.try_start().await.with_context(|| format!("listen on {}", args.listen))?;
    // Listened to before anybody can know that it runs.
    let mut interrupt = signal(SignalKind::interrupt()).context("listen to interrupts")?;
    let mut out = std::io::stdout();
    writeln!(out, "scripted-model listens on http://{}", model.address())?;
    for (name, value) in model.settings(&Provider::ALL) {
        writeln!(out, "export {name}={value}")?;
    }
    out.flush()?;
    interrupt.recv().await;
    let complaints = model.complaints();
    writeln!(out, "{:#?}", model.counters())?;
    for complaint in &complaints {
        writeln!(out, "{complaint}")?;
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
