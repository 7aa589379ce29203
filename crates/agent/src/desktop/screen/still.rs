//! When the screen has changed and is still again: a plain automaton of what was seen when.

use std::time::Duration;

/// How often to look.
pub(super) const LOOK: Duration = Duration::from_millis(25);

/// How much time the screen is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// To begin to change.
    pub(super) begin: Duration,
    /// Without a change, to be still.
    pub(super) still: Duration,
    /// For all together.
    pub(super) most: Duration,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Unchanged,
    /// It changed, and is still now.
    Changed,
    /// It changes all the time.
    Restless,
}

impl Patience {
    /// After input: programs answer at once or take long, and then one waits on purpose.
    pub(super) const AFTER_INPUT: Self = Self {
        begin: Duration::from_millis(300),
        still: Duration::from_millis(150),
        most: Duration::from_millis(1500),
    };

    /// After keys whose meaning is about to change, of a program that does not answer. One that shows
    /// what is typed has taken it when nothing more comes.
    pub(super) const AFTER_KEYS: Self = Self {
        begin: Duration::from_secs(2),
        still: Duration::from_millis(400),
        most: Duration::from_secs(5),
    };

    /// For somebody who waits.
    pub(super) fn of(seconds: u32) -> Self {
        let most = Duration::from_secs(seconds.into());
        Self { begin: most, still: Duration::from_millis(400), most }
    }

    /// Whether it is over at this time, when the screen changed last at that one, if it did.
    pub(super) fn over(self, now: Duration, changed: Option<Duration>) -> Option<Seen> {
        match changed {
            None => (now >= self.begin).then_some(Seen::Unchanged),
            Some(last) if now.saturating_sub(last) >= self.still => Some(Seen::Changed),
            Some(_) => (now >= self.most).then_some(Seen::Restless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn waits_for_a_change_and_then_for_stillness() {
        let patience = Patience { begin: at(300), still: at(150), most: at(1500) };
        assert_eq!(patience.over(at(299), None), None);
        assert_eq!(patience.over(at(300), None), Some(Seen::Unchanged));
        assert_eq!(patience.over(at(349), Some(at(200))), None);
        assert_eq!(patience.over(at(350), Some(at(200))), Some(Seen::Changed));
        assert_eq!(patience.over(at(1500), Some(at(1490))), Some(Seen::Restless));
    }

    proptest! {
        #[test]
        fn it_ends_in_time(seconds in 0u32..100, changed in prop::option::of(0u64..200_000)) {
            let patience = Patience::of(seconds);
            let end = u64::from(seconds) * 1000;
            let changed = changed.filter(|changed| *changed <= end).map(at);
            prop_assert!(patience.over(at(end), changed).is_some());
        }
    }
}
