//! When a message that was not taken is told again. Pure.

use std::time::Duration;

use jiff::Timestamp;

/// The first pause, and the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(5 * 60 * 60);

/// How often a message is told; with the pauses between, about three days.
const TRIES: u32 = 20;

/// The longest time in which nothing is tried: a webhook that is back is found by then.
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);

/// How long a message waits that was told in vain so often; none if it is given up.
pub(crate) fn pause(tries: u32) -> Option<Duration> {
    (tries < TRIES).then(|| grown(5, tries, LONGEST))
}

/// For how long nothing is told after so many failures in a row, whatever is due: the others would
/// most likely fail, too.
pub(crate) fn rest(failures: u32) -> Duration {
    grown(2, failures, LONGEST_REST)
}

fn grown(by: u32, times: u32, most: Duration) -> Duration {
    FIRST.saturating_mul(by.saturating_pow(times.saturating_sub(1))).min(most)
}

/// How long it is until something is due. What seems further away than any pause was put off before
/// somebody set the clock back.
pub(crate) fn until(due: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
    if left > LONGEST { Duration::ZERO } else { left }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_told_for_about_three_days() {
        let pauses: Vec<_> = (1..).map_while(pause).collect();
        let seconds: Vec<_> = pauses[..7].iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [5, 25, 125, 625, 3125, 15_625, 18_000]);
        let days = pauses.iter().sum::<Duration>().as_secs_f64() / 86_400.0;
        assert!((2.8..3.2).contains(&days), "{days}");
    }

    proptest! {
        #[test]
        fn pauses_grow_and_end(times in 1u32..) {
            let next = times.saturating_add(1);
            prop_assert!(pause(times).is_none_or(|pause| (FIRST..=LONGEST).contains(&pause)));
            prop_assert!(pause(next).is_none_or(|longer| Some(longer) >= pause(times)));
            prop_assert!((FIRST..=LONGEST_REST).contains(&rest(times)) && rest(next) >= rest(times));
        }

        /// However a clock is set, nothing waits longer than it was told to.
        #[test]
        fn nothing_waits_too_long(due in any::<i32>(), now in any::<i32>()) {
            let at = |second: i32| Timestamp::from_second(second.into()).unwrap();
            let left = until(at(due), at(now));
            prop_assert!(left <= LONGEST);
            prop_assert!(due > now || left.is_zero());
        }
    }
}
