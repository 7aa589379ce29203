//! How things stand, for people: what the engines, the models, the store and the disk say when asked.

use std::time::Duration;

use engine::Engine;
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::ModelStanding;
use store::{Census, Spent, StoreError};
use tokio::time::timeout;
use types::{LimitsPolicy, SandboxReport};

use crate::service::{JobError, Jobs, NetworkPolicy};

/// How long an engine may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(2);

/// How things stand at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Whether jobs are taken.
    pub accepting: bool,
    /// The engines; the first is the default.
    pub engines: Vec<EngineStanding>,
    /// What jobs may use.
    pub limits: LimitsPolicy,
    /// What jobs may reach.
    pub network: NetworkPolicy,
    /// Who answers agents, in the order they are asked.
    pub models: Vec<ModelStanding>,
    /// What was spent on models for jobs that were accepted today (UTC).
    pub spent_today: Spent,
    /// What was spent on models for all jobs that are kept.
    pub spent: Spent,
    /// How many jobs there are, and what they hold.
    pub census: Census,
    /// How many jobs may run at one time.
    pub concurrency: usize,
    /// Bytes of disk that are free.
    pub free_bytes: u64,
    /// Bytes of disk below which nothing is accepted.
    pub reserve_bytes: u64,
    /// Bytes that results and logs may take.
    pub results_bytes: u64,
}

/// How an engine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStanding {
    /// Its name.
    pub name: &'static str,
    /// How it protects a sandbox and what it does not enforce, or why no job can run on it.
    pub report: Result<SandboxReport, String>,
}

impl Jobs {
    /// How things stand.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn overview(&self) -> Result<Overview, JobError> {
        let (inner, config) = (&self.inner, &self.inner.config);
        let today = midnight(config.clock.now());
        let engines = join_all(inner.engines.iter().map(|engine| standing(engine.as_ref())));
        let stored = async {
            Ok::<_, StoreError>((inner.store.census().await?, inner.store.spent(today).await?))
        };
        let (engines, stored) = tokio::join!(engines, stored);
        let (census, [spent_today, spent]) = stored?;
        Ok(Overview {
            accepting: inner.admit().is_ok(),
            engines,
            limits: config.limits.in_force(),
            network: config.network.in_force(),
            models: config.models.standing(),
            spent_today,
            spent,
            census,
            concurrency: config.concurrency,
            free_bytes: inner.room.free(),
            reserve_bytes: config.reserve_bytes,
            results_bytes: config.results_bytes,
        })
    }
}

/// What an engine says of itself may be an old answer; so it is also made to answer.
async fn standing(engine: &dyn Engine) -> EngineStanding {
    let asked = async {
        engine.ready().await?;
        engine.report().await
    };
    let report = match timeout(PATIENCE, asked).await {
        Ok(report) => report.map_err(|e| e.to_string()),
        Err(_) => Err(format!("it did not answer within {}s", PATIENCE.as_secs())),
    };
    EngineStanding { name: engine.name(), report }
}

fn midnight(now: Timestamp) -> Timestamp {
    let day = now.to_zoned(TimeZone::UTC).start_of_day();
    day.map_or(now, |day| day.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(midnight(at("2026-11-22T05:09:17.5Z")), at("2026-11-22T00:00:00Z"));
        assert_eq!(midnight(at("2026-11-22T00:00:00Z")), at("2026-11-22T00:00:00Z"));
    }
}
