//! The headers of a question.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::Secret;

/// The key in its header, after the prefix; marked, so that no trace of a connection shows it.
/// No key, or one that no header can carry, is no header: the provider says then what it wants.
pub(crate) fn with_key(name: HeaderName, prefix: &str, key: Option<&Secret>) -> HeaderMap {
    let value = |key: &Secret| HeaderValue::from_str(&format!("{prefix}{}", key.expose())).ok();
    let mut headers = HeaderMap::new();
    if let Some(mut value) = key.and_then(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}
