//! Sessions of browsers: what a key opens, in a cookie, for a working day. None is kept: a session
//! says itself whose key it was had with and until when, signed with a secret of the data directory
//! together with what is kept of the key. So it ends with the key, and outlives a restart.
//!
//! Not here: where it may come from (crate `api`).

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use types::Scope;

use crate::keys::{BadKey, Holder, LOCAL, hash, read_private, secret, write_private};
use crate::service::Jobs;

/// How long a session lasts: a working day.
pub const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// Digits of the secret that sessions are signed with.
const SECRET_DIGITS: usize = 64;

/// Signs sessions.
pub(crate) struct Signer(hmac::Key);

// It is a secret.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Jobs {
    /// Exchanges a key for a session, which opens what the key does for [`SESSION`] at most; and what
    /// that is.
    ///
    /// # Errors
    /// When it is no key, or none any more.
    pub fn begin_session(&self, key: &str) -> Result<(String, Scope), BadKey> {
        let holder = self.look_up_key(key)?;
        let id = holder.key.map_or_else(|| LOCAL.into(), |key| key.to_string());
        let now = self.inner.config.clock.now();
        let (_, hash) = self.inner.keys.holder(&id, now).ok_or(BadKey::Unknown)?;
        let until = now.as_second().saturating_add_unsigned(SESSION.as_secs());
        Ok((self.inner.keys.signer.sign(&id, until, &hash), holder.scope))
    }

    /// Whose session this is, and what they may do; none if it is none, or is over.
    #[must_use]
    pub fn look_up_session(&self, session: &str) -> Option<Holder> {
        let now = self.inner.config.clock.now();
        let (id, until) = claim(session, now)?;
        let (holder, hash) = self.inner.keys.holder(id, now)?;
        self.inner.keys.signer.has_signed(session, id, until, &hash).then_some(holder)
    }
}

impl Signer {
    /// With the secret in this file, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> Self {
        let kept = read_private(path).filter(|kept| kept.len() == SECRET_DIGITS);
        let secret = kept.unwrap_or_else(|| {
            let secret = secret();
            if let Err(e) = write_private(path, &secret) {
                let path = path.display();
                tracing::warn!("sessions of browsers end with this process: write {path}: {e}");
            }
            secret
        });
        Self(hmac::Key::new(hmac::HMAC_SHA256, &hash(&secret)))
    }

    fn sign(&self, id: &str, until: i64, hash: &[u8; 32]) -> String {
        let tag = hmac::sign(&self.0, &signed(id, until, hash));
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{id}.{until}.{tag}")
    }

    /// In a time that says nothing of the right signature.
    fn has_signed(&self, session: &str, id: &str, until: i64, hash: &[u8; 32]) -> bool {
        let tag = session.rsplit('.').next().and_then(bytes);
        tag.is_some_and(|tag| hmac::verify(&self.0, &signed(id, until, hash), &tag).is_ok())
    }
}

/// Whose a session says it is, and until when; none if that is over, or cannot be.
fn claim(session: &str, now: Timestamp) -> Option<(&str, i64)> {
    let (id, rest) = session.split_once('.')?;
    let until: i64 = rest.split_once('.')?.0.parse().ok()?;
    let left = until.checked_sub(now.as_second())?;
    // A clock that was set back makes no session longer.
    u64::try_from(left)
        .is_ok_and(|left| (1..=SESSION.as_secs()).contains(&left))
        .then_some((id, until))
}

fn signed(id: &str, until: i64, hash: &[u8; 32]) -> Vec<u8> {
    [format!("session {id} {until} ").as_bytes(), hash].concat()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_what_was_signed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.key");
        let (now, hash) = (Timestamp::now(), [7; 32]);
        let until = now.as_second() + 60;
        let session = Signer::open(&path).sign("1a2b", until, &hash);
        // Another process, the same directory.
        let signer = Signer::open(&path);
        let is_good = |session: &str, hash: &[u8; 32]| {
            let (id, until) = claim(session, now)?;
            signer.has_signed(session, id, until, hash).then_some(())
        };
        assert!(is_good(&session, &hash).is_some());
        assert!(is_good(&session, &[8; 32]).is_none(), "of another key");
        let later = until.to_string();
        for forged in [
            session.replace("1a2b", "local"),
            session.replace(&later, &(until + 1).to_string()),
            session.replace(&later, &format!("+{later}")).replace("1a2b", "1a2c"),
            session[..session.len() - 1].into(),
            session.trim_end_matches(|c: char| c != '.').into(),
            String::new(),
            "..".into(),
            format!("{session}00"),
        ] {
            assert!(is_good(&forged, &hash).is_none(), "{forged}");
        }
        std::fs::remove_file(&path).unwrap();
        let other = Signer::open(&path);
        assert!(!other.has_signed(&session, "1a2b", until, &hash), "of another directory");
    }

    #[test]
    fn a_session_ends() {
        let now = Timestamp::now();
        let session = |left: i64| format!("1.{}.00", now.as_second() + left);
        let day = i64::try_from(SESSION.as_secs()).unwrap();
        assert!(claim(&session(1), now).is_some() && claim(&session(day), now).is_some());
        assert!(claim(&session(0), now).is_none() && claim(&session(day + 1), now).is_none());
    }
}
