use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one job, and the one sandbox it gets. A UUIDv7, so ids sort by the time they were made.
///
/// It only ever parses from the canonical hyphenated form, which makes it safe as a folder name
/// and as a DNS label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, format = "uuid"))]
#[serde(try_from = "String", into = "String")]
pub struct JobId(Uuid);

/// A text that is no job id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job id: expected the form 018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f")]
pub struct InvalidJobId;

impl JobId {
    /// A new id from the system's clock and random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidJobId)?;
        // `Uuid` also accepts braces, URNs and capitals; one job has one spelling.
        if id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(InvalidJobId) }
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, InvalidJobId> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn refuses_other_spellings_and_paths() {
        let id = JobId::generate().to_string();
        for text in ["", "..", "../../etc/passwd", "x", &id.to_uppercase(), &format!("{{{id}}}")] {
            assert_eq!(text.parse::<JobId>(), Err(InvalidJobId), "{text}");
        }
    }
}
