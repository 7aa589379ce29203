//! What a server writes into the lock file of its data directory, for other commands to read.
//!
//! Not here: the lock itself (`jobs::Folders`).

use std::path::Path;

use reqwest::Url;

/// What a server adds that goes away with the command it was started for.
pub(crate) const PASSING: &str = "until its command ends";

/// Whether a server ever had this data directory, as far as we may know.
pub(crate) fn is_in(data_dir: &Path) -> bool {
    data_dir.join("lock").try_exists().unwrap_or(true)
}

/// Where the server is that wrote this about itself.
pub(crate) fn address(line: &str) -> Option<Url> {
    line.split_whitespace().find_map(|word| word.parse().ok().filter(|url: &Url| url.has_host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_where_there_is_one() {
        let line = format!("pid 12 http://127.0.0.1:8000 {PASSING}");
        assert_eq!(address(&line).unwrap().as_str(), "http://127.0.0.1:8000/");
        assert_eq!(address("pid 12"), None);
    }
}
