//! Whether the clock can be believed about how old a job is. Whoever sets it a year ahead must not
//! erase every result, whoever sets it back must not keep them for ever.
//!
//! So once it was set, nothing is forgotten for its age until as much time as results are kept has
//! passed by the machine's own count. By then all that ended before is old enough, whatever its time
//! says, and what ended since has a time of the new clock. Nothing goes too early, and nothing is kept
//! longer than twice that once the clock stays as it is. A machine that was off has only its clock; it
//! has an hour to set it right.

use std::ops::Range;
use std::time::Duration;

use engine::Moment;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A clock that differs by no more was not set, it is kept right.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// How long a machine that just started may take to ask for the time.
const START: Duration = Duration::from_secs(60 * 60);

/// What is known of the clock. Survives us in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Belief {
    seen: Moment,
    /// How much time has still to pass before ages count.
    wait: Duration,
}

impl Belief {
    /// What follows from the time being `now`, where jobs are kept for so long.
    pub(crate) fn look(before: Option<&Self>, now: Moment, retention: Duration) -> Self {
        let start = START.min(retention);
        let wait = match before {
            None => start,
            Some(Self { seen, .. }) if was_set(seen, &now) => retention,
            Some(Self { seen, wait }) => match now.since_for_sure(seen) {
                Some(passed) => wait.saturating_sub(passed),
                None => start.max(*wait),
            },
        };
        Self { seen: now, wait: wait.min(retention) }
    }

    /// When a job that is kept has ended; none if nobody can say.
    pub(crate) fn kept(&self, retention: Duration) -> Option<Range<Timestamp>> {
        self.wait.is_zero().then(|| {
            let now = self.seen.at;
            let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
            let from = now.checked_sub(retention).unwrap_or(Timestamp::MIN);
            // Later is only what a clock said that was ahead.
            from..now.checked_add(TOLERANCE).unwrap_or(Timestamp::MAX)
        })
    }

    /// How much time has still to pass before ages count.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }
}

fn was_set(seen: &Moment, now: &Moment) -> bool {
    now.clock_set_since(seen).abs() > TOLERANCE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::{Draft, JobState};
    use types::Ending;

    use super::*;
    use crate::lifecycle::{self, Input};

    const HOUR: u64 = 3600;
    /// Jobs that work at one time.
    const WORKING: usize = 3;
    const RETENTION: Duration = Duration::from_secs(24 * HOUR);

    #[derive(Clone, Debug)]
    enum Act {
        /// Minutes pass, and the sweeper looks.
        Pass(u64),
        /// Somebody sets the clock by so many hours.
        Set(i64),
        /// The machine starts anew after so many minutes.
        Reboot(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            8 => (1u64..600).prop_map(Act::Pass),
            1 => (-20_000i64..20_000).prop_map(Act::Set),
            1 => (1u64..600).prop_map(Act::Reboot),
        ]
    }

    /// A machine with a clock, and jobs that end all the time.
    struct World {
        /// The true time, in seconds.
        time: u64,
        /// How far the clock is ahead.
        ahead: i64,
        boot: u64,
        booted: u64,
        settled: u64,
        belief: Option<Belief>,
        /// One that was accepted some acts ago and did not end.
        working: Vec<JobState>,
        /// When jobs ended: truly, and as was noted.
        jobs: Vec<(u64, Timestamp)>,
    }

    impl World {
        fn clock(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000 + self.time as i64 + self.ahead).unwrap()
        }

        fn look(&mut self) {
            let up = Duration::from_secs(self.time - self.booted);
            let now = Moment { at: self.clock(), up, boot: self.boot.to_string() };
            let belief = Belief::look(self.belief.as_ref(), now, RETENTION);
            if let Some(kept) = belief.kept(RETENTION) {
                for (ended, _) in self.jobs.extract_if(.., |(_, at)| !kept.contains(at)) {
                    let age = self.time - ended;
                    assert!(age + 300 >= RETENTION.as_secs(), "forgotten at the age of {age} s");
                }
            }
            self.belief = Some(belief);
        }

        fn act(&mut self, act: &Act) {
            match act {
                Act::Pass(minutes) => self.time += minutes * 60,
                Act::Set(hours) => {
                    self.ahead = hours * HOUR as i64;
                    self.settled = self.time;
                }
                Act::Reboot(minutes) => {
                    self.time += minutes * 60;
                    (self.boot, self.booted, self.settled) = (self.boot + 1, self.time, self.time);
                }
            }
            self.look();
            self.work();
        }

        /// A job is accepted and begins, and the one that works longest ends if there are many.
        fn work(&mut self) {
            self.working.push(self.happens(JobState::new(self.clock()), vec![Input::Admit]));
            if self.working.len() > WORKING {
                let end = vec![Input::Over(Ending::complete()), Input::Removed];
                let job = self.working.remove(0);
                let completed = self.happens(job, end).completed.unwrap();
                self.jobs.push((self.time, completed));
            }
        }

        fn happens(&self, job: JobState, inputs: Vec<Input>) -> JobState {
            let mut draft = Draft::new(job);
            draft.now = self.clock();
            inputs.into_iter().for_each(|input| lifecycle::apply_to(&mut draft, input).unwrap());
            draft.state
        }
    }

    proptest! {
        #[test]
        fn nothing_goes_too_early_and_nothing_stays_for_ever(
            acts in prop::collection::vec(act(), 1..200),
        ) {
            let mut world = World {
                time: 0, ahead: 0, boot: 0, booted: 0, settled: 0, belief: None, working: vec![],
                jobs: vec![],
            };
            for act in &acts {
                world.act(act);
            }
            for _ in 0..=49 {
                world.act(&Act::Pass(60));
            }
            let oldest = world.jobs.iter().map(|(ended, _)| world.time - ended).max();
            prop_assert!(oldest.unwrap_or_default() <= 25 * HOUR, "{oldest:?}");
        }
    }

    #[test]
    fn a_year_ahead_and_back_erases_nothing() {
        let moment = |at: i64, up| Moment {
            at: Timestamp::from_second(at).unwrap(),
            up: Duration::from_secs(up),
            boot: "a".into(),
        };
        let look = |before: &Belief, now| Belief::look(Some(before), now, RETENTION);
        let calm = Belief { seen: moment(1_000_000, 0), wait: Duration::ZERO };
        assert!(calm.kept(RETENTION).is_some());
        let ahead = look(&calm, moment(32_000_060, 60));
        assert_eq!((ahead.kept(RETENTION), ahead.wait), (None, RETENTION));
        let back = look(&ahead, moment(1_000_120, 120));
        assert_eq!(back.wait, RETENTION);
        let later = look(&back, moment(1_000_120 + 24 * 3600, 120 + 24 * HOUR));
        let kept = later.kept(RETENTION).unwrap();
        assert_eq!(kept.start, Timestamp::from_second(1_000_120).unwrap());
        assert!(!kept.contains(&Timestamp::from_second(32_000_060).unwrap()), "of the year ahead");
    }

    #[test]
    fn a_retention_beyond_time_forgets_nothing() {
        let seen = Moment { at: Timestamp::UNIX_EPOCH, up: Duration::ZERO, boot: String::new() };
        let belief = Belief { seen, wait: Duration::ZERO };
        assert_eq!(belief.kept(Duration::MAX).unwrap().start, Timestamp::MIN);
    }
}
