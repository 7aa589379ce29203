//! A moment that another process compares with its own, also if somebody set the clock in between.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// When something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// By the clock, which may be set.
    at: Timestamp,
    /// By the machine, since it started; nobody sets that.
    up: Duration,
    /// Which start of the machine that was.
    boot: String,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let up = clock_gettime(ClockId::Boottime).try_into().unwrap_or_default();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { at: Timestamp::now(), up, boot }
    }

    /// How long after an earlier one it is. Where the machine started anew in between only the clock
    /// knows; nothing if that was set back.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        if self.boot == earlier.boot && !self.boot.is_empty() {
            return self.up.saturating_sub(earlier.up);
        }
        self.at.duration_since(earlier.at).try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: i64, up: u64, boot: &str) -> Moment {
        let at = Timestamp::from_second(at).unwrap();
        Moment { at, up: Duration::from_secs(up), boot: boot.into() }
    }

    #[test]
    fn the_clock_counts_only_if_the_machine_started_anew() {
        let started = moment(1000, 50, "a");
        let since = |now: Moment| now.since(&started).as_secs();
        assert_eq!(since(moment(1010, 60, "a")), 10);
        assert_eq!(since(moment(10, 60, "a")), 10, "set back");
        assert_eq!(since(moment(9000, 60, "a")), 10, "set forward");
        assert_eq!(since(moment(1030, 5, "b")), 30, "started anew");
        assert_eq!(since(moment(10, 5, "b")), 0, "that and set back");
    }

    #[test]
    fn this_machine_tells_which_start_it_is() {
        let now = Moment::now();
        assert!(!now.boot.is_empty() && now.up > Duration::ZERO);
        assert!(Moment::now().since(&now) < Duration::from_secs(60));
    }
}
