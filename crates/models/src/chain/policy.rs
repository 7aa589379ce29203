//! What follows from a call that brought no answer. A pure function: the clock, the dice and the
//! calls are [`super::ask`]'s, what lasts longer than one question is [`super::health`]'s.
//!
//! | what happened | what we do |
//! |---|---|
//! | limited | wait as long as it says (at most [`LONGEST_HINT`]), or ever longer; then the next |
//! | overloaded, unreachable, broken off | a few tries, ever longer apart; then the next, and it rests |
//! | quota, key, model | the next at once, and it rests long |
//! | too long, too large | the agent asks again with less, unless so little fits that nobody can work with it |
//! | a thought signature | once more without any, and so from then on in this conversation; then the next |
//! | empty or broken | once more, and once more; then the next |
//! | without end | once more; then the next |
//! | not understood | the next |
//!
//! "The next" with nobody left to go to means: what may pass is waited for, [`PATIENCE`] at most in
//! one question; what will not pass is final.

use std::time::Duration;

use crate::ModelError;

/// The longest wait that a provider can make us take while another one could be asked.
pub(crate) const LONGEST_HINT: Duration = Duration::from_mins(1);

/// How long one question may wait in all, whoever makes it wait.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// Calls of one provider for one question: with the waits below, about as many as [`PATIENCE`] has
/// room for.
pub(crate) const MOST_TRIES: u32 = 10;

/// A window with less room than this holds no task, plan and last steps.
const LEAST_WINDOW: u64 = 4096;

/// As Google's own client does: 5 attempts, 1 s doubled, at most 60 s.
const LIMITED_TRIES: u32 = 5;
const BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// For what is mended soon or not at all, while somebody else could be asked.
const FEW_TRIES: u32 = 3;

/// Useless answers to one question, of which each is paid for: empty or broken ones, and long ones.
const FEW_EMPTY: u32 = 3;
const FEW_ENDLESS: u32 = 2;

/// How long a provider rests that is down; longer each time, see [`super::health`].
const REST: Duration = Duration::from_secs(30);

/// How long one rests whose quota is gone. Quotas come back by the minute, the day or the month;
/// one call an hour finds out.
const REST_WITHOUT_QUOTA: Duration = Duration::from_hours(1);

/// How long one rests that does not know our key or the model. A person has to mend that; what needs
/// no new settings (a key activated, a model pulled) is noticed after this.
const REST_UNTIL_MENDED: Duration = Duration::from_hours(6);

/// How one provider stands in one question when its call has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Its calls for this question, this one included.
    pub(crate) tries: u32,
    /// Of these, those that it answered with nothing of use.
    pub(crate) useless: u32,
    /// What this question has waited so far, for anybody.
    pub(crate) waited: Duration,
    /// Whether somebody else can be asked who was not yet.
    pub(crate) others: bool,
    /// Whether it was rested, and this call was to see whether it is well again.
    pub(crate) probe: bool,
    /// Whether the question went without thought signatures already.
    pub(crate) stripped: bool,
    /// Our guess at the question's tokens.
    pub(crate) sent_tokens: u64,
    /// Its window, as far as we knew.
    pub(crate) window_tokens: u64,
    /// From 0 to 1, by chance: so that those who failed together do not come back together.
    pub(crate) jitter: f64,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reaction {
    /// Ask it again after this.
    Retry { after: Duration },
    /// Ask it again without thought signatures.
    Strip,
    /// Ask somebody else, and let it rest for other questions too. If it is `final`, it is not asked
    /// again for this question, else only when nobody else is left.
    Next { rest: Option<Duration>, r#final: bool },
    /// Let the agent ask again with less.
    Shrink { window_tokens: u64 },
}

/// What to do about an error.
pub(crate) fn react(error: &ModelError, at: &Situation) -> Reaction {
    match error {
        ModelError::RateLimited { after, .. } => at.may_pass(*after, LIMITED_TRIES),
        ModelError::Unavailable { after, .. } => at.may_pass(*after, FEW_TRIES),
        ModelError::Unreachable(_) | ModelError::BrokenOff(_) => at.may_pass(None, FEW_TRIES),
        ModelError::Exhausted(_) => gone(Some(REST_WITHOUT_QUOTA)),
        ModelError::Auth(_) | ModelError::NotFound(_) => gone(Some(REST_UNTIL_MENDED)),
        ModelError::TooLong { window } => at.too_long(*window),
        ModelError::TooLarge(_) => at.too_long(None),
        ModelError::Signature(_) if !at.stripped && at.tries < MOST_TRIES => Reaction::Strip,
        ModelError::Empty(_) => at.useless(FEW_EMPTY),
        ModelError::Endless => at.useless(FEW_ENDLESS),
        ModelError::Signature(_) | ModelError::Invalid(_) => gone(None),
    }
}

/// Not to be asked again for this question.
fn gone(rest: Option<Duration>) -> Reaction {
    Reaction::Next { rest, r#final: true }
}

impl Situation {
    /// Something that time may mend.
    fn may_pass(&self, hint: Option<Duration>, tries: u32) -> Reaction {
        let after = self.wait(hint);
        let rest = Some(REST.max(hint.unwrap_or_default()).min(REST_WITHOUT_QUOTA));
        let patient = self.waited.saturating_add(after) <= PATIENCE;
        if !self.others {
            let again = patient && self.tries < MOST_TRIES;
            return if again { Reaction::Retry { after } } else { gone(rest) };
        }
        let bearable = hint.is_none_or(|hint| hint <= LONGEST_HINT);
        if patient && bearable && !self.probe && self.tries < tries {
            return Reaction::Retry { after };
        }
        Reaction::Next { rest, r#final: false }
    }

    /// An answer that may be better the next time, if there are no more than these such answers.
    fn useless(&self, most: u32) -> Reaction {
        let again = self.useless < most && self.tries < MOST_TRIES;
        if again { Reaction::Retry { after: Duration::ZERO } } else { gone(None) }
    }

    /// A hint is kept and a little more, a doubled wait is kept at least by half.
    fn wait(&self, hint: Option<Duration>) -> Duration {
        let jitter = self.jitter.clamp(0.0, 1.0);
        match hint {
            Some(hint) => hint.saturating_add(BACKOFF.mul_f64(jitter)),
            None => backoff(self.tries).mul_f64((1.0 + jitter) / 2.0),
        }
    }

    /// A window that the error names is believed if it is news. If not, our counting is at fault,
    /// and all we know is that this was too much.
    fn too_long(&self, named: Option<u64>) -> Reaction {
        let less = self.sent_tokens.min(self.window_tokens) / 5 * 4;
        let window_tokens = named.filter(|n| *n < self.window_tokens).unwrap_or(less);
        if window_tokens < LEAST_WINDOW { gone(None) } else { Reaction::Shrink { window_tokens } }
    }
}

fn backoff(tries: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    BACKOFF.saturating_mul(doubled).min(LONGEST_BACKOFF)
}
