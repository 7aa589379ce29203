//! From `POST` to the end of a task of one command, with a model that answers at once.

use std::time::Instant;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use testkit::scripted::Scenario;
use testkit::{DataDir, ScriptedModel, Server};

use crate::bed::Bed;
use crate::http::Http;
use crate::model::PROVIDER;
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::{Summary, millis};

const ROUNDS: usize = 100;
const SCENARIO: &str = include_str!("../../../crates/testkit/scenarios/hello.json");
/// So few words that no plan is asked for.
const TASK: &str = "Say hello";
const RUNBOOK: &str = "```bash\necho hello\n```\n";

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let scenario = Scenario::parse(SCENARIO).map_err(|why| anyhow!(why))?;
    let model = ScriptedModel::builder(scenario).forget().start().await;
    let server = bed.builder(&DataDir::new()).model(&model, &[PROVIDER]).start().await;
    let task = json!({ "prompt": TASK, "mode": "agent" });
    let runbook = json!({ "prompt": RUNBOOK, "mode": "runbook" });
    // The first job finds cold caches, which is not what is measured.
    complete(&server, &task).await?;
    let (mut times, mut runbooks) = (vec![], vec![]);
    for _ in 0..bed.times(ROUNDS) {
        times.push(complete(&server, &task).await?);
        runbooks.push(complete(&server, &runbook).await?);
    }
    Ok(vec![Row {
        name: "a task of one command, POST → complete".into(),
        unit: "ms".into(),
        target: Target::at_most(Statistic::Median, 100.0, "p50 ≤ 0.1 s"),
        measured: Summary::of(times).context("no rounds")?,
        floors: vec![Floor::new("the same command as a runbook", Ok(runbooks))],
        note:
            "A scripted model on this machine, asked over HTTP, wants `echo hello` run, then says \
               that it is done. Until the event `ended`: the ZIP is on the disk and the sandbox is \
               gone."
                .into(),
    }])
}

/// Milliseconds until a job is complete.
pub(super) async fn complete(server: &Server, job: &Value) -> anyhow::Result<f64> {
    let mut calls = Http::connect(server).await?;
    let events = Http::connect(server).await?;
    let begun = Instant::now();
    let job = calls.schedule(job).await?;
    events.events(job, 0).await?.complete().await?;
    Ok(millis(begun))
}
