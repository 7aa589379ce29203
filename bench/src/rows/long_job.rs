//! An agent late in a long job: its memory, and how soon it asks its next question.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use testkit::scripted::Reply;

use crate::bed::Bed;
use crate::family;
use crate::machine::Memory;
use crate::model::{self, Model};
use crate::row::{Row, Statistic, Target};
use crate::stats::Summary;
use crate::steps;

/// After so many one looks at the memory.
const STEPS: usize = 400;
/// So many more, with a log of a million tokens and above.
const LATE_STEPS: usize = 100;
/// Lines of 8 bytes that a command writes: as much as a model is shown of it.
const LINES: usize = 1250;
/// How long the model thinks while one looks.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (steps, late) = if bed.quick { (10, 5) } else { (STEPS, LATE_STEPS) };
    let model = Model::says(move |n| reply(n, steps, steps + late)).await;
    let server = model.server(bed).await;
    let mut events = steps::begin(&server, &task()).await?;
    let done = tokio::spawn(async move { steps::all(&mut events).await });
    model.wait_for(steps).await?;
    let memory = Memory::of(family::agentd(server.data_dir().path())?)?;
    let done = done.await??;
    let asked = model.asked()?;
    ensure!(done.len() == steps + late && asked.len() == done.len() + 1, "{} steps", done.len());
    let times: Vec<f64> = steps::beside(&done, &asked).skip(steps).collect();
    let sizes = Summary::of(asked[steps..].iter().map(|asked| asked.bytes as f64 / 1e6).collect());
    let sizes = sizes.context("no questions")?;
    Ok(vec![
        Row {
            name: format!("agentd after {steps} steps"),
            unit: "MiB".into(),
            target: Target::at_most(Statistic::Max, 15.0, "≤ 15 MiB"),
            measured: Summary::of(vec![memory.resident]).context("one")?,
            floors: vec![],
            note: format!(
                "Resident memory while it waits for its model, {:.1} MiB at most until then. Each \
                 step wrote 10 kB; the model's window has a million tokens.",
                memory.peak
            ),
        },
        Row {
            name: "a log of a million tokens: the next question".into(),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Median, 50.0, "p50 ≤ 50 ms"),
            measured: Summary::of(times).context("no steps")?,
            floors: vec![],
            note: format!(
                "The same job, {late} steps more. Seen from outside, as for a step: making the view \
                 and the question of it, the way of that through the gateway and of the answer back, \
                 the budget, the provider's form, HTTP. A question has {:.2} MB ({:.2}–{:.2}).",
                sizes.median, sizes.min, sizes.max
            ),
        },
    ])
}

/// What the whole history costs to be read again and again is no matter here.
fn task() -> Value {
    let mut task = model::task();
    task["limits"] = json!({ "model_tokens": 1_000_000_000 });
    task
}

fn reply(n: usize, look_after: usize, steps: usize) -> Reply {
    if n == steps {
        return model::finish();
    }
    let from = 1_000_000 + n * LINES;
    let noise = json!({ "command": format!("seq {from} {}", from + LINES - 1) });
    let latency_ms = if n == look_after { LOOK.as_millis() as u64 } else { 0 };
    Reply { latency_ms, ..Reply::call("shell", noise) }
}
