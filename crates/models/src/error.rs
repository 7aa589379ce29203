use std::time::Duration;

/// Why a call of one provider brought no answer. What follows from it, `chain` decides.
/// No text in it holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Too many calls or tokens in a short time. Try again after the wait, if it names one.
    #[error("it is limited: {why}")]
    RateLimited {
        /// The provider's own hint.
        after: Option<Duration>,
        /// What it said.
        why: String,
    },
    /// No quota or credit is left: not soon.
    #[error("its quota is used up: {0}")]
    Exhausted(String),
    /// The key is missing, wrong, or may not do this.
    #[error("it does not accept our key: {0}")]
    Auth(String),
    /// It has no such model, or is not at this address.
    #[error("it has no such model: {0}")]
    NotFound(String),
    /// It is overloaded or broken for the moment.
    #[error("it failed: {why}")]
    Unavailable {
        /// The provider's own hint.
        after: Option<Duration>,
        /// What it said.
        why: String,
    },
    /// It could not be reached: name, connection, TLS.
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    /// It began and then said nothing for too long, or its answer broke off in the middle.
    #[error("its answer broke off: {0}")]
    BrokenOff(String),
    /// The question is longer than the model's window.
    #[error("the question is too long for it{}", window.map(|w| format!(" ({w} tokens)")).unwrap_or_default())]
    TooLong {
        /// The window, if the error named it.
        window: Option<u64>,
    },
    /// The question has too many bytes for it, or for something in between. Says nothing of a window.
    #[error("the question is too large for it: {0}")]
    TooLarge(String),
    /// It does not take our thought signatures: they are another model's.
    #[error("it does not accept a thought signature: {0}")]
    Signature(String),
    /// It answered nothing that can be used: empty, or its own parser gave up. Asking again may help.
    #[error("its answer is empty or broken: {0}")]
    Empty(String),
    /// It wrote and wrote, and was cut off. It may do so again, and each time it is paid for.
    #[error("its answer is far too long")]
    Endless,
    /// It does not understand the question, and will not.
    #[error("it does not take the question: {0}")]
    Invalid(String),
}
