//! Takes the data directory for this process.

use std::path::Path;
use std::time::{Duration, Instant};

use jobs::{Folders, OpenError};

use crate::settings::Settings;

/// How long a command that only looks may have the data directory.
const LOOK: Duration = Duration::from_secs(1);

/// How long the last pieces of a server that was killed may have it: a child that it was just
/// starting, on a machine that has much else to do. Less than deploy/ gives a start.
const DEATH: Duration = Duration::from_secs(30);

/// How often to try.
const POLL: Duration = Duration::from_millis(20);

/// Takes the data directory, as soon as whoever only looks at it has left, and what is left of a
/// dead owner has gone.
///
/// # Errors
/// When it cannot be used, or somebody has it who lives.
pub(crate) async fn claim(settings: &Settings) -> Result<Folders, OpenError> {
    let began = Instant::now();
    loop {
        match Folders::claim(&settings.data_dir, &settings.output_dir) {
            Err(OpenError::InUse { owner, .. })
                if began.elapsed() < patience(owner.as_deref(), is_here) =>
            {
                tokio::time::sleep(POLL).await;
            }
            claimed => return claimed,
        }
    }
}

/// How long to wait for this owner.
fn patience(owner: Option<&str>, is_here: impl Fn(u32) -> bool) -> Duration {
    match owner.and_then(pid) {
        Some(pid) if !is_here(pid) => DEATH,
        _ => LOOK,
    }
}

/// The process that wrote this about itself.
fn pid(owner: &str) -> Option<u32> {
    owner.strip_prefix("pid ")?.split_whitespace().next()?.parse().ok()
}

/// Whether a process of this number is here; in another container it has another one, and counts as
/// dead, which costs a wait and nothing else.
fn is_here(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_left_of_the_dead_is_waited_for_long() {
        let owner = Some("pid 12 http://127.0.0.1:8000");
        assert_eq!(patience(owner, |pid| pid != 12), DEATH);
        assert_eq!(patience(owner, |pid| pid == 12), LOOK);
        assert_eq!(patience(None, |_| false), LOOK);
        assert_eq!(patience(Some("who knows"), |_| false), LOOK);
    }
}
