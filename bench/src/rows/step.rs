//! What an agent's step costs beside its model and its command.

use anyhow::{Context as _, ensure};
use serde_json::json;
use testkit::Server;
use testkit::scripted::Reply;

use crate::bed::Bed;
use crate::command;
use crate::model::{self, Model};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;
use crate::steps;

const STEPS: usize = 200;
const ROUNDS: usize = 3;

/// What was measured, in milliseconds.
#[derive(Default)]
struct Times {
    /// From an answer to the next question, without the step between them.
    beside: Vec<f64>,
    /// From the step's start to its end.
    step: Vec<f64>,
    /// Of a runbook, from a step's end to the next one's start.
    runbook: Vec<f64>,
    /// The same command without any of us.
    plain: Vec<f64>,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let steps = if bed.quick { 10 } else { STEPS };
    let model = Model::says(move |n| if n < steps { step(n) } else { model::finish() }).await;
    let server = model.server(bed).await;
    let mut times = Times::default();
    for _ in 0..bed.times(ROUNDS) {
        times.agent(&server, &model, steps).await?;
        times.runbook(&server, steps).await?;
        for _ in 0..steps {
            times.plain.push(command::whole("bash", &["-c", "true"])?);
        }
    }
    Ok(vec![times.row(steps)?])
}

/// Each another one, or the agent would be going in circles.
fn step(n: usize) -> Reply {
    Reply::call("shell", json!({ "command": format!("true {n}") }))
}

impl Times {
    async fn agent(&mut self, server: &Server, model: &Model, steps: usize) -> anyhow::Result<()> {
        let done = steps::all(&mut steps::begin(server, &model::task()).await?).await?;
        let asked = model.asked()?;
        ensure!(done.len() == steps && asked.len() == steps + 1, "it did {} steps", done.len());
        self.beside.extend(steps::beside(&done, &asked));
        self.step.extend(done.iter().map(|step| step.ended - step.began));
        Ok(())
    }

    async fn runbook(&mut self, server: &Server, steps: usize) -> anyhow::Result<()> {
        let text: String = (0..steps).map(|n| format!("```bash\ntrue {n}\n```\n\n")).collect();
        let job = json!({ "prompt": text, "mode": "runbook" });
        let done = steps::all(&mut steps::begin(server, &job).await?).await?;
        self.runbook.extend(done.windows(2).map(|two| two[1].began - two[0].ended));
        Ok(())
    }

    fn row(self, steps: usize) -> anyhow::Result<Row> {
        let step = Summary::of(self.step).context("no steps")?;
        let plain = Summary::of(self.plain).context("no steps")?;
        Ok(Row {
            name: "an agent's step, beside its model and its command".into(),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Median, 5.0, "p50 ≤ 5 ms"),
            measured: Summary::of(self.beside).context("no steps")?,
            floors: vec![Floor::new("between two steps of a runbook", Ok(self.runbook))],
            note: format!(
                "Jobs of {steps} steps `true`. From when a scripted model has made its answer until \
                 it has the whole next question, without the step itself, as the log has it: that \
                 takes {:.2} ms, a shell in a process of its own user and the end of all it left \
                 behind included. `bash -c true` alone takes {:.2} ms.",
                step.median, plain.median
            ),
        })
    }
}
