use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the holder of a key may do. Each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at jobs, their logs, files and desktops, and fetch results.
    Read,
    /// Give jobs.
    Submit,
    /// Steer, stop and remove jobs, and work in their desktops.
    Operate,
    /// Make and revoke keys.
    Admin,
}

impl Scope {
    /// The word the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A key to the API, as far as it is kept: the key itself is shown once and never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// Its public part, by which it is named and revoked.
    pub id: String,
    /// Whose it is, for people.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// When it was made.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = "date-time"))]
    pub created: Timestamp,
    /// When it stops working; null for never.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = "date-time"))]
    pub expires: Option<Timestamp>,
    /// When it was revoked; null if it was not.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = "date-time"))]
    pub revoked: Option<Timestamp>,
}
