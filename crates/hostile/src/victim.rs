//! How much longer honest work takes in a job beside another job that does its worst.

use serde_json::{Value, json};
use testkit::Client;
use types::{Event, EventKind, JobStatus, Stream};

use crate::site::{block, server};
use crate::{Args, Engine, catalogue};

/// How often it is measured, alone and beside, in turns: the machine's own moods hit both alike.
const TURNS: usize = 5;

/// How much longer it may take.
const MOST: f64 = 1.2;

/// Milliseconds for a round of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    alone: f64,
    beside: f64,
}

impl Figures {
    pub(crate) fn is_within(self) -> bool {
        self.beside <= MOST * self.alone
    }

    pub(crate) fn line(self, engine: Engine) -> String {
        let Self { alone, beside } = self;
        let (engine, ratio) = (engine.name(), beside / alone);
        format!(
            "hostile: {engine}: a round of work takes {alone:.1} ms alone, {beside:.1} ms beside \
             the worst: {ratio:.2} times, {MOST} at most"
        )
    }
}

/// # Errors
/// When a program cannot be read, or says no number.
pub(crate) async fn measure(args: &Args, engine: Engine) -> anyhow::Result<Figures> {
    let server = server(args, engine, "").await?;
    let (work, worst) = (catalogue::program("work")?, catalogue::program("worst")?);
    let job = |code: &str| json!({ "prompt": block(code), "mode": "runbook" });
    let (mut alone, mut beside) = (vec![], vec![]);
    for _ in 0..TURNS {
        alone.push(round(server.client(), &job(&work)).await?);
        let worst = server.client().schedule(&job(&worst)).await;
        let begun = |event: &Event| matches!(event.event, EventKind::Output { .. });
        server.client().events_until(worst, begun).await;
        beside.push(round(server.client(), &job(&work)).await?);
        let status = server.client().status(worst).await.status;
        anyhow::ensure!(status == JobStatus::Running, "the worst job did not last: {status}");
        server.client().cancel(worst).await;
        server.client().wait_end(worst).await;
    }
    server.stop().await;
    Ok(Figures { alone: median(alone), beside: median(beside) })
}

async fn round(client: &Client, job: &Value) -> anyhow::Result<f64> {
    let job = client.schedule(job).await;
    client.wait_end(job).await;
    let said = client.log(job, Stream::Stdout).await;
    Ok(String::from_utf8_lossy(&said).trim().parse()?)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_more_is_within() {
        let figures = |beside| Figures { alone: 10.0, beside };
        assert!(figures(12.0).is_within() && !figures(12.1).is_within());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(figures(11.0).line(Engine::Local).contains("1.10 times"));
    }
}
