//! Tries out what this machine allows, for `cagent doctor`: `facts` looks, `judge` says what follows.

mod facts;
mod judge;

use serde::Serialize;

use crate::LocalConfig;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What jobs do without, unless all is well.
    pub lost: Option<String>,
    /// What an operator can do, unless all is well.
    pub cure: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Jobs run, but not everything holds or is there.
    Degraded,
    /// No job can run.
    Missing,
}

/// Looks at everything the embedded engine needs, and starts one sandbox for real. Uses a folder of
/// its own beneath `home`, so that a running orchestrator does not notice.
pub async fn probe(config: &LocalConfig) -> Vec<Finding> {
    judge::judge(&facts::gather(config).await)
}
