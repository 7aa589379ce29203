//! Whether the server works.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The server's answer to whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or no answer at all.
    pub status: String,
    /// What this is.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its engines; the first is the default. Empty for who needs a key and has none.
    pub engines: Vec<String>,
}

impl Health {
    pub(crate) fn new(engines: Vec<String>) -> Self {
        Self {
            status: "ok".into(),
            name: "cagent".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            engines,
        }
    }
}
