//! Sessions of browsers: what a key opens, in a cookie, for a working day. None is kept: a session
//! says itself whose key it was had with and until when, signed with a secret of the data directory
//! together with what is kept of the key. So it ends with the key, and outlives a restart. Those that
//! people ended are remembered until this process ends: their browsers have forgotten them already.
//!
//! A browser sends a cookie to every port of a host, so to servers of others too. Who changes
//! something shows a token beside it, which the page has and no cookie.
//!
//! What was opened with a key or a session is told when that ends ([`Jobs::lapsed`]). Not here: where
//! a session may come from (crate `api`).

use std::collections::BTreeSet;
use std::future::pending;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use types::Scope;
use uuid::Uuid;

use crate::keys::{BadKey, Holder, LOCAL, hash, read_private, secret, write_private};
use crate::service::Jobs;

/// How long a session lasts: a working day.
pub const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// How often who holds something open is looked at: keys are revoked, sessions ended, clocks set.
const LOOK: Duration = Duration::from_secs(1);

/// Digits of the secret that sessions are signed with.
const SECRET_DIGITS: usize = 64;

/// The most ended sessions that are remembered; those go first that are over soonest.
const MOST_ENDED: usize = 4096;

/// One session, for those who must not know its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// In seconds since 1970.
    until: i64,
    /// Of its signature.
    begin: [u8; 8],
}

/// Signs sessions.
pub(crate) struct Signer {
    key: hmac::Key,
    ended: Mutex<BTreeSet<SessionId>>,
}

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
        let signer = &self.inner.keys.signer;
        let session = signer.signed(session, until, &hash).filter(|id| !signer.has_ended(*id))?;
        Some(Holder { session: Some(session), ..holder })
    }

    /// What the page that began a session shows beside it to change something.
    #[must_use]
    pub fn session_token(&self, session: &str) -> String {
        hex(self.inner.keys.signer.token(session).as_ref())
    }

    /// Whether that is it.
    #[must_use]
    pub fn is_session_token(&self, session: &str, token: &str) -> bool {
        self.inner.keys.signer.is_token(session, token)
    }

    /// Ends a session before its time, and what was opened with it.
    pub fn end_session(&self, session: &str) {
        if let Some(id) = self.look_up_session(session).and_then(|holder| holder.session) {
            self.inner.keys.signer.end(id, self.inner.config.clock.now());
        }
    }

    /// Whether what somebody has shown before opens something still.
    #[must_use]
    pub fn still_holds(&self, Holder { key, session, .. }: Holder) -> bool {
        let (signer, now) = (&self.inner.keys.signer, self.inner.config.clock.now());
        key.is_none_or(|key| self.key_works(key))
            && session.is_none_or(|id| is_within(id.until, now) && !signer.has_ended(id))
    }

    /// Returns within a second or two of when that is so no more; never for who had to show nothing.
    pub async fn lapsed(&self, holder: Option<Holder>) {
        let shown = holder.filter(|holder| holder.key.is_some() || holder.session.is_some());
        let Some(holder) = shown else { return pending().await };
        while self.still_holds(holder) {
            tokio::time::sleep(LOOK).await;
        }
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
        let key = hmac::Key::new(hmac::HMAC_SHA256, &hash(&secret));
        Self { key, ended: Mutex::default() }
    }

    fn sign(&self, id: &str, until: i64, hash: &[u8; 32]) -> String {
        // No two are alike.
        let claim = format!("{id}.{until}.{}", Uuid::new_v4().simple());
        let tag = hmac::sign(&self.key, &words(&claim, hash));
        format!("{claim}.{}", hex(tag.as_ref()))
    }

    /// Which session this is, if it is one: in a time that says nothing of the right signature.
    fn signed(&self, session: &str, until: i64, hash: &[u8; 32]) -> Option<SessionId> {
        let (claim, tag) = session.rsplit_once('.')?;
        let tag = bytes(tag)?;
        hmac::verify(&self.key, &words(claim, hash), &tag).ok()?;
        Some(SessionId { until, begin: *tag.first_chunk()? })
    }

    fn token(&self, session: &str) -> hmac::Tag {
        hmac::sign(&self.key, token_of(session).as_bytes())
    }

    fn is_token(&self, session: &str, token: &str) -> bool {
        let said = token_of(session);
        bytes(token).is_some_and(|token| hmac::verify(&self.key, said.as_bytes(), &token).is_ok())
    }

    fn end(&self, session: SessionId, now: Timestamp) {
        let mut ended = self.ended();
        ended.insert(session);
        ended.retain(|session| is_within(session.until, now));
        if ended.len() > MOST_ENDED {
            ended.pop_first();
        }
    }

    fn has_ended(&self, session: SessionId) -> bool {
        self.ended().contains(&session)
    }

    fn ended(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose a session says it is, and until when; none if that is over, or cannot be.
fn claim(session: &str, now: Timestamp) -> Option<(&str, i64)> {
    let (id, rest) = session.split_once('.')?;
    let until: i64 = rest.split_once('.')?.0.parse().ok()?;
    is_within(until, now).then_some((id, until))
}

/// A clock that was set back makes no session longer.
fn is_within(until: i64, now: Timestamp) -> bool {
    let left = until.checked_sub(now.as_second()).and_then(|left| u64::try_from(left).ok());
    left.is_some_and(|left| (1..=SESSION.as_secs()).contains(&left))
}

fn words(claim: &str, hash: &[u8; 32]) -> Vec<u8> {
    [format!("session {claim} ").as_bytes(), hash].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What a session's token signs.
fn token_of(session: &str) -> String {
    format!("token {session}")
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
        assert_ne!(signer.sign("1a2b", until, &hash), session, "each is one of its own");
        let is_good = |session: &str, hash: &[u8; 32]| {
            let (_, until) = claim(session, now)?;
            signer.signed(session, until, hash)
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
        assert!(other.signed(&session, until, &hash).is_none(), "of another directory");
        assert!(!other.is_token(&session, &hex(signer.token(&session).as_ref())));
    }

    #[test]
    fn a_token_is_of_one_session() {
        let signer = Signer::open(&tempfile::tempdir().unwrap().path().join("session.key"));
        let token = hex(signer.token("1a2b.3.4c").as_ref());
        assert!(signer.is_token("1a2b.3.4c", &token));
        for (session, token) in
            [("1a2b.3.4d", &*token), ("1a2b.3.4c", ""), ("1a2b.3.4c", &token[2..]), ("", &*token)]
        {
            assert!(!signer.is_token(session, token), "{session} {token}");
        }
    }

    #[test]
    fn an_end_is_remembered_for_as_long_as_it_matters() {
        let signer = Signer::open(&tempfile::tempdir().unwrap().path().join("session.key"));
        let now = Timestamp::now();
        let id = |left: i64| SessionId { until: now.as_second() + left, begin: [7; 8] };
        signer.end(id(1), now);
        assert!(signer.has_ended(id(1)) && !signer.has_ended(id(2)));
        signer.end(id(5), now + Duration::from_secs(2));
        assert_eq!(signer.ended().len(), 1, "one that is over needs no end");
        for n in 0..2 * i64::try_from(MOST_ENDED).unwrap() {
            signer.end(id(6 + n), now);
        }
        assert_eq!(signer.ended().len(), MOST_ENDED);
    }

    #[test]
    fn a_session_ends() {
        let now = Timestamp::now();
        let session = |left: i64| format!("1.{}.00.00", now.as_second() + left);
        let day = i64::try_from(SESSION.as_secs()).unwrap();
        assert!(claim(&session(1), now).is_some() && claim(&session(day), now).is_some());
        assert!(claim(&session(0), now).is_none() && claim(&session(day + 1), now).is_none());
    }
}
