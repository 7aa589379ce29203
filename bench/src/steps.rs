//! A job's steps as its log has them, and what of an agent's time is not theirs.

use serde_json::Value;
use testkit::Server;
use types::EventKind;

use crate::http::{self, Events, Http};
use crate::model::Asked;
use crate::stats::millis_between;

/// When a step began and ended, in milliseconds of the sandbox's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) began: f64,
    pub(crate) ended: f64,
}

/// Gives a job; its events.
pub(crate) async fn begin(server: &Server, job: &Value) -> anyhow::Result<Events> {
    let job = Http::connect(server).await?.schedule(job).await?;
    Http::connect(server).await?.events(job, 0).await
}

/// The steps of a job, to its end.
///
/// # Errors
/// When it is not complete.
pub(crate) async fn all(events: &mut Events) -> anyhow::Result<Vec<Step>> {
    let (mut steps, mut began) = (vec![], 0.0);
    loop {
        let event = events.until(|event| is_of_step(event) || http::is_end(event)).await?;
        #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
        let at = event.at.as_microsecond() as f64 / 1e3;
        match event.event {
            EventKind::StepStarted { .. } => began = at,
            EventKind::StepFinished { .. } => steps.push(Step { began, ended: at }),
            end => return http::complete(&end).map(|()| steps),
        }
    }
}

/// Milliseconds from each answer of the model to the next question, without the step between them.
pub(crate) fn beside<'a>(steps: &'a [Step], asked: &'a [Asked]) -> impl Iterator<Item = f64> + 'a {
    let between = asked.windows(2).map(|two| millis_between(two[0].answered, two[1].came));
    between.zip(steps).map(|(millis, step)| millis - (step.ended - step.began))
}

fn is_of_step(event: &EventKind) -> bool {
    matches!(event, EventKind::StepStarted { .. } | EventKind::StepFinished { .. })
}
