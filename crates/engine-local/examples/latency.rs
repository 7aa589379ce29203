//! How long the life of an empty sandbox takes: create, start, wait, remove; and up to each.
//!
//! `cargo build --release -p engine-local && cargo run --release -p engine-local --example latency`;
//! with `-- DATA_DIR/images NAME` also of one made from that image.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::{Engine, SandboxSpec};
use engine_local::{LocalConfig, LocalEngine, UidRange};
use types::{JobId, Limits};

const ROUNDS: usize = 30;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir_all(dir.path().join("tools/bin"))?;
    symlink("/usr/bin/true", dir.path().join("tools/bin/agentd"))?;
    let engine = LocalEngine::open(LocalConfig {
        home: dir.path().join("home"),
        helper: helper()?,
        tools: dir.path().join("tools"),
        expose: vec![],
        images: std::env::args_os().nth(1).unwrap_or_default().into(),
        uids: UidRange::default(),
    })?;
    measure(&engine, None).await?;
    match std::env::args().nth(2) {
        Some(image) => measure(&engine, Some(image)).await,
        None => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
async fn measure(
    engine: &LocalEngine,
    image: Option<String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(engine, image.clone()).await?);
    }
    println!("{}", image.as_deref().unwrap_or("the host's /usr"));
    for (step, name) in ["created", "started", "ended", "removed"].into_iter().enumerate() {
        let mut times: Vec<Duration> = rounds.iter().map(|round| round[step]).collect();
        times.sort_unstable();
        println!("{name:>8}: {:6.2} ms", times[ROUNDS / 2].as_secs_f64() * 1000.0);
    }
    Ok(())
}

async fn round(
    engine: &LocalEngine,
    image: Option<String>,
) -> Result<[Duration; 4], engine::EngineError> {
    let spec = SandboxSpec { job: JobId::generate(), limits: Limits::default(), image };
    let begun = Instant::now();
    engine.create(&spec).await?;
    let created = begun.elapsed();
    engine.start(spec.job).await?;
    let started = begun.elapsed();
    engine.wait(spec.job).await?;
    let ended = begun.elapsed();
    engine.remove(spec.job).await?;
    Ok([created, started, ended, begun.elapsed()])
}

/// Beside the folder of this example.
fn helper() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).ok_or("this program has no folder")?;
    Ok(target.join("sandbox-helper"))
}
