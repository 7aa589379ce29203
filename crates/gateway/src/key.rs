use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What is known of a session key. The key itself is never kept, only its hash.
///
/// ```text
/// None ── hello without key ──► Given ── any call with the key ──► Used
///              ▲                  │ hello without key: the answer was lost, a new key is given
///              └──────────────────┘
/// ```
///
/// A hello may be handled late, after the agent gave it up and said another: the key that it gives
/// nobody hears, and agentd, whose key is refused when it first uses it, says hello anew.
///
/// agentd uses its key before it runs any command of the job, so whoever comes later without it is
/// not agentd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// No key was given.
    None,
    /// A key with this hash was given but never seen again.
    Given([u8; 32]),
    /// The key with this hash is in use; nobody gets in without it.
    Used([u8; 32]),
}

impl KeyState {
    /// Whether a caller may get a new key.
    #[must_use]
    pub fn may_give(self) -> bool {
        !matches!(self, Self::Used(_))
    }

    /// Whether this is the key.
    #[must_use]
    pub fn accepts(self, presented: &str) -> bool {
        match self {
            Self::None => false,
            Self::Given(hash) | Self::Used(hash) => same(&hash, &digest(presented)),
        }
    }
}

/// A new key: 244 random bits, printable.
pub(crate) fn generate() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

pub(crate) fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Compares without telling by its duration where the first difference is.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_is_accepted() {
        let key = generate();
        let state = KeyState::Used(digest(&key));
        assert!(state.accepts(&key));
        assert!(!state.accepts(""));
        assert!(!state.accepts(&generate()));
        assert!(!KeyState::None.accepts(&key));
    }

    #[test]
    fn a_used_key_is_never_replaced() {
        let hash = digest("k");
        assert!(KeyState::None.may_give());
        assert!(KeyState::Given(hash).may_give());
        assert!(!KeyState::Used(hash).may_give());
    }
}
