//! A moment that another process compares with its own, also if somebody set the clock in between.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// When something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// By the clock, which may be set.
    pub at: Timestamp,
    /// By the machine, since it started; nobody sets that.
    pub up: Duration,
    /// Which start of the machine that was.
    pub boot: String,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let up = clock_gettime(ClockId::Boottime).try_into().unwrap_or_default();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { at: Timestamp::now(), up, boot }
    }

    /// How long after an earlier one it is. Where the machine started anew in between only the clock
    /// knows; nothing if that was set back.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let by_clock = || self.at.duration_since(earlier.at).try_into().unwrap_or_default();
        self.since_for_sure(earlier).unwrap_or_else(by_clock)
    }

    /// The same, if the machine knows.
    #[must_use]
    pub fn since_for_sure(&self, earlier: &Self) -> Option<Duration> {
        let same = self.boot == earlier.boot && !self.boot.is_empty();
        same.then(|| self.up.saturating_sub(earlier.up))
    }

    /// How far the clock was set ahead since an earlier one, or back. Where the machine started anew
    /// in between, only that it was set back can be seen.
    #[must_use]
    pub fn clock_set_since(&self, earlier: &Self) -> SignedDuration {
        let by_clock = self.at.duration_since(earlier.at);
        match self.since_for_sure(earlier) {
            Some(passed) => by_clock.saturating_sub(signed(passed)),
            None => by_clock.min(SignedDuration::ZERO),
        }
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
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
    fn a_clock_that_was_set_is_noticed() {
        let earlier = moment(1000, 50, "a");
        let set = |now: Moment| now.clock_set_since(&earlier).as_secs();
        assert_eq!(set(moment(1010, 60, "a")), 0);
        assert_eq!(set(moment(10, 60, "a")), -1000);
        assert_eq!(set(moment(9010, 60, "a")), 8000);
        assert_eq!(set(moment(9000, 5, "b")), 0, "it may have been off for so long");
        assert_eq!(set(moment(10, 5, "b")), -990);
    }

    #[test]
    fn this_machine_tells_which_start_it_is() {
        let now = Moment::now();
        assert!(!now.boot.is_empty() && now.up > Duration::ZERO);
        assert!(Moment::now().since(&now) < Duration::from_secs(60));
    }
}
