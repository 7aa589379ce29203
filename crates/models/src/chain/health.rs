//! What is known of a provider's model beyond one question and one job: whether it rests, and how
//! large its window really is.
//!
//! ```text
//!            fails as a whole                  time is over
//!   well ─────────────────────► resting ─────────────────────► probed by one question
//!    ▲                             ▲        fails: longer            │   │
//!    │                             └─────────────────────────────────┘   │ answers
//!    └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A probe has no flag that could be left behind when its question is dropped: whoever takes it
//! moves the end of the rest by [`PROBE`], and everybody else keeps away until then.
//!
//! Kept in memory only. After a restart of the orchestrator everybody counts as well, and one call
//! each says what is true.

use std::time::Duration;

use tokio::time::Instant;

/// How long others keep away while one question probes.
const PROBE: Duration = Duration::from_mins(1);

/// A rest that grows stops growing here. Longer ones, which have their reason, are kept as they are.
const LONGEST_GROWN_REST: Duration = Duration::from_mins(10);

/// How long a window counts that we guessed from a refusal that names none.
const GUESS: Duration = Duration::from_mins(10);

/// How somebody stands who could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As far as we know it answers.
    Well,
    /// It rested; this question sees whether it is well again.
    Probe,
    /// It rests.
    Resting,
}

/// What is known of one model of one provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// When its rest is over; none if it is well.
    until: Option<Instant>,
    /// Rests in a row.
    rests: u32,
    /// Its window as an error named it.
    named: Option<u64>,
    /// Its window as we guess it, and until when.
    guessed: Option<(u64, Instant)>,
}

impl Health {
    /// How it stands for a question that would ask it now. Who is told to probe has taken the probe.
    pub(crate) fn claim(&mut self, now: Instant) -> Standing {
        match self.until {
            None => Standing::Well,
            Some(until) if now < until => Standing::Resting,
            Some(_) => {
                self.until = Some(now + PROBE);
                Standing::Probe
            }
        }
    }

    /// Whether it would be asked before those that rest.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// For how long it still rests; none if it does not.
    pub(crate) fn rests(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    /// It answered.
    pub(crate) fn answered(&mut self) {
        (self.until, self.rests) = (None, 0);
    }

    /// It failed. Many questions may notice the same failure: only the first of them, and one that
    /// was sent to probe, makes the rest longer.
    pub(crate) fn rest(&mut self, now: Instant, rest: Duration, was: Standing) {
        let counts = was == Standing::Probe || self.is_up(now);
        if counts {
            let grown = rest.saturating_mul(2_u32.saturating_pow(self.rests));
            self.until = Some(now + grown.min(LONGEST_GROWN_REST.max(rest)));
            self.rests = self.rests.saturating_add(1);
        } else {
            self.until = self.until.max(Some(now + rest));
        }
    }

    /// Its window: what the operator set, or less if we were told or taught so.
    pub(crate) fn window(&self, set: u64, now: Instant) -> u64 {
        let guessed = self.guessed.filter(|(_, until)| now < *until).map(|(tokens, _)| tokens);
        [self.named, guessed].into_iter().flatten().fold(set, u64::min)
    }

    /// It said that a question was too long. A window it names is kept; a guess may be wrong for
    /// other jobs, whose bytes make more tokens or fewer, and is forgotten after a while.
    pub(crate) fn learn(&mut self, now: Instant, window: u64, named: bool) {
        if named {
            self.named = Some(window);
        } else {
            self.guessed = Some((window, now + GUESS));
        }
    }
}
