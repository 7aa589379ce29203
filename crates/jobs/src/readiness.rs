//! Whether the server can do its work: what it needs is tried, at most once a second, and nobody who
//! asks waits for much longer than that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::closing::Phase;
use crate::service::{Inner, Jobs};

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(1);

/// How long what is tried may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// One thing that the server needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `store`, `disk`, `results`, `accepting`, or `engine:` and its name.
    pub name: String,
    /// What is wrong with it, for operators; none if nothing is.
    pub problem: Option<String>,
}

/// What was tried last, and when.
#[derive(Debug, Default)]
pub(crate) struct Tried(Mutex<Option<(Instant, Vec<Check>)>>);

impl Jobs {
    /// Whether jobs can be accepted and run, thing by thing.
    pub async fn readiness(&self) -> Vec<Check> {
        let inner = &self.inner;
        let mut checks = inner.tried().await;
        let full = inner.room.check().err().map(|e| e.to_string());
        let phase = inner.phase();
        let stops = (phase != Phase::Open)
            .then(|| format!("the server is {}; it takes no jobs any more", phase.as_str()));
        checks.push(Check { name: "disk".into(), problem: full });
        checks.push(Check { name: "results".into(), problem: inner.results_that_wait() });
        checks.push(Check { name: "accepting".into(), problem: stops });
        checks
    }
}

impl Inner {
    /// Ended jobs are not over before their results are kept, and hold their places meanwhile.
    fn results_that_wait(&self) -> Option<String> {
        match self.metrics.results_that_wait() {
            0 => None,
            1 => Some("1 result cannot be kept yet; the log says why".into()),
            many => Some(format!("{many} results cannot be kept yet; the log says why")),
        }
    }

    /// Tries what may take time; who comes meanwhile waits and gets the same answer.
    async fn tried(self: &Arc<Self>) -> Vec<Check> {
        let mut last = self.tried.0.lock().await;
        if let Some((at, checks)) = &*last
            && at.elapsed() < FRESH
        {
            return checks.clone();
        }
        let store = check("store".into(), self.store.touch());
        let engines = self.engines.iter().map(|engine| {
            let name = format!("engine:{}", engine.name());
            check(name, engine.ready())
        });
        let (store, engines) = tokio::join!(store, join_all(engines));
        let checks: Vec<_> = std::iter::once(store).chain(engines).collect();
        *last = Some((Instant::now(), checks.clone()));
        checks
    }
}

async fn check<T, E: std::fmt::Display>(
    name: String,
    tried: impl Future<Output = Result<T, E>>,
) -> Check {
    let problem = match timeout(PATIENCE, tried).await {
        Ok(Ok(_)) => None,
        Ok(Err(e)) => Some(e.to_string()),
        Err(_) => Some(format!("it did not answer within {}s", PATIENCE.as_secs())),
    };
    Check { name, problem }
}
