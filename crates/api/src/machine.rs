//! What only the program knows that puts the server together: it alone names engines.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Looks at the machine.
#[async_trait]
pub trait Machine: std::fmt::Debug + Send + Sync {
    /// The images that sandboxes can be made from, as far as the engines tell in a short time.
    async fn images(&self) -> Vec<EngineImage>;

    /// What `cagent doctor` finds. It takes seconds: it makes a sandbox.
    async fn doctor(&self) -> Vec<Finding>;
}

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineImage {
    /// The engine.
    pub engine: String,
    /// Its name, for `image` of a job.
    pub name: String,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it stands.
    pub level: FindingLevel,
    /// What was found.
    pub found: String,
    /// What jobs do without; null if all is well.
    #[schema(required = true)]
    pub lost: Option<String>,
    /// What an operator can do; null if all is well.
    #[schema(required = true)]
    pub cure: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// As it should be.
    Ok,
    /// Jobs run, but not everything holds or is there.
    Degraded,
    /// No job can run.
    Missing,
}
