//! Many agents at one time.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use testkit::scripted::{By, Reply, Scenario};
use testkit::{DataDir, ScriptedModel};

use crate::bed::Bed;
use crate::machine::Memory;
use crate::model::{self, PROVIDER};
use crate::row::{Floor, Row, Statistic, Target};
use crate::stats::Summary;
use crate::steps::{self, Step};

const AGENTS: usize = 50;
const STEPS: u32 = 20;

/// What came of all of them.
struct Crowd {
    peak_mib: f64,
    seconds: f64,
    /// The most of them that were between their first step and their last.
    at_once: usize,
}

pub(super) async fn rows(bed: &Bed) -> anyhow::Result<Vec<Row>> {
    let (agents, steps) = if bed.quick { (4, 3) } else { (AGENTS, STEPS) };
    let of_agents = crowd(bed, agents, steps, &model::task()).await?;
    let of_runbooks = crowd(bed, agents, steps, &runbook(steps)).await?;
    Ok(vec![Row {
        name: format!("orchestrator with {agents} agents at one time"),
        unit: "MiB".into(),
        target: Target::at_most(Statistic::Max, 150.0, "≤ 150 MiB"),
        measured: Summary::of(vec![of_agents.peak_mib]).context("one")?,
        floors: vec![Floor::new("as many runbooks", Ok(vec![of_runbooks.peak_mib]))],
        note: format!(
            "Peak resident memory. All are given at once, each with {steps} steps that write 6 kB; {} \
             of them worked at one time on {} cores, which the scripted model shares. All were \
             complete after {:.1} s, the runbooks after {:.1} s.",
            of_agents.at_once, bed.cores, of_agents.seconds, of_runbooks.seconds
        ),
    }])
}

/// So many of this job, to the end of the last.
async fn crowd(bed: &Bed, jobs: usize, steps: u32, job: &Value) -> anyhow::Result<Crowd> {
    let model = ScriptedModel::builder(scenario(steps)).forget().start().await;
    let bed = Bed { cores: jobs, ..bed.clone() };
    let server = bed.builder(&DataDir::new()).model(&model, &[PROVIDER]).start().await;
    let begun = Instant::now();
    let mut all = vec![];
    for _ in 0..jobs {
        all.push(steps::begin(&server, job).await?);
    }
    let mut done = vec![];
    for events in &mut all {
        done.push(steps::all(events).await?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let peak_mib = Memory::of(server.pid())?.peak;
    Ok(Crowd { peak_mib, seconds, at_once: at_once(&done) })
}

/// The most jobs at one time, each from its first step's start to its last one's end.
fn at_once(jobs: &[Vec<Step>]) -> usize {
    let spans: Vec<(f64, f64)> =
        jobs.iter().filter_map(|steps| Some((steps.first()?.began, steps.last()?.ended))).collect();
    let with =
        |at: f64| spans.iter().filter(|(began, ended)| (*began..*ended).contains(&at)).count();
    spans.iter().map(|(began, _)| with(*began)).max().unwrap_or(0)
}

fn scenario(steps: u32) -> Scenario {
    let noise = Reply::call("shell", json!({ "command": command("{{n}}") }));
    let noise = Reply { repeat: steps, ..noise };
    Scenario { by: By::Turns, ..Scenario::of([noise, model::finish()]) }
}

fn runbook(steps: u32) -> Value {
    let text: String =
        (1..=steps).map(|n| format!("```bash\n{}\n```\n\n", command(&n.to_string()))).collect();
    json!({ "prompt": text, "mode": "runbook" })
}

fn command(n: &str) -> String {
    format!("seq 1{n}000 1{n}999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_together_while_both_work() {
        let job = |began, ended| vec![Step { began, ended: began }, Step { began: ended, ended }];
        assert_eq!(at_once(&[job(1.0, 5.0), job(2.0, 3.0), job(3.0, 6.0), job(9.0, 10.0)]), 2);
        assert_eq!(at_once(&[]), 0);
    }
}
