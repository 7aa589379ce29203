//! Keys to the API: who may do what. A key is `cagent_<id>_<secret>`. It is shown once, when it is
//! made; what is kept of it is SHA-256 of the secret. A slow hash, as for passwords, would protect
//! words that can be guessed; a secret of 244 random bits cannot, and it is hashed on every call.
//!
//! Beside those in the store there is one that this process makes for itself: who can read the data
//! directory has it from a file there, may do everything with it, and so makes the first of the
//! others. It ends with the process.
//!
//! Invariant: all keys are in memory, as they are on the disk: nobody else writes them there. Not
//! here: which call needs what (crate `api`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use store::{KeptKey, Store, StoreError};
use types::{ApiKey, Scope};
use uuid::Uuid;

use crate::folders::{self, Folders, OpenError};
use crate::inner::Inner;
use crate::service::Jobs;
use crate::sessions::{SessionId, Signer};

/// The longest name of a key, in characters.
const MAX_KEY_NAME: usize = 100;

/// What every key begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "cagent_";

/// What stands in place of an id in the key of this process.
pub(crate) const LOCAL: &str = "local";

/// Hexadecimal digits of an id. So many of a random UUID's first are random.
const ID_DIGITS: usize = 12;

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is, for people.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// When it stops working; none for never.
    pub expires: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// The key itself. Nobody can tell it again.
    pub key: String,
    /// What is kept of it.
    pub about: ApiKey,
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The public part of a key in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(u64);

/// Who showed a key, or a session in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What they may do.
    pub scope: Scope,
    /// Their key; none for that of this process.
    pub key: Option<KeyId>,
    /// The session that they showed, if it was one.
    pub session: Option<SessionId>,
}

/// Why a key was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It has no name, or one that cannot be shown.
    #[error("expected 1 to {MAX_KEY_NAME} characters, none of them a control character")]
    Name,
    /// It would never work.
    #[error("{0} is over")]
    Past(Timestamp),
    /// There is none of this id.
    #[error("there is no key {0}")]
    NotFound(String),
    /// It could not be kept; the text is for the log, not for the client.
    #[error("keep a key: {0}")]
    Store(#[source] StoreError),
}

/// Why a key opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// There never was one like it.
    #[error("there is no such key")]
    Unknown,
    /// Its time is over.
    #[error("the key expired at {0}")]
    Expired(Timestamp),
    /// It was taken back.
    #[error("the key was revoked at {0}")]
    Revoked(Timestamp),
}

/// The key of the orchestrator that has this data directory, for those who may read it.
///
/// # Errors
/// When there is none, or it is not for us.
pub fn local_key(data: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(folders::local_key(data))?.trim().into())
}

impl Jobs {
    /// Makes a key. When this returns it is on the disk.
    ///
    /// # Errors
    /// Says what is wrong with it; nothing was kept then.
    pub async fn make_key(&self, new: NewKey) -> Result<MadeKey, KeyError> {
        let (secret, about) = (secret(), about(new, self.inner.config.clock.now())?);
        let key = format!("{PREFIX}{}_{secret}", about.id);
        self.save(KeptKey { key: about.clone(), hash: hash(&secret) }).await?;
        Ok(MadeKey { key, about })
    }

    /// Every key, also those that work no more, oldest first.
    #[must_use]
    pub fn list_keys(&self) -> Vec<ApiKey> {
        let mut keys: Vec<_> =
            self.inner.keys.all().values().map(|kept| kept.key.clone()).collect();
        keys.sort_by_key(|key| key.created);
        keys
    }

    /// Takes a key back, from now on. One that was taken back before stays as it was.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn revoke_key(&self, id: &str) -> Result<(), KeyError> {
        let kept = self.inner.keys.all().get(id).cloned();
        let mut kept = kept.ok_or_else(|| KeyError::NotFound(id.into()))?;
        if kept.key.revoked.is_none() {
            kept.key.revoked = Some(self.inner.config.clock.now());
            self.save(kept).await?;
        }
        Ok(())
    }

    /// Whose this key is, and what they may do.
    ///
    /// # Errors
    /// When it is no key, or none any more.
    pub fn look_up_key(&self, key: &str) -> Result<Holder, BadKey> {
        let keys = &self.inner.keys;
        judge(key, &keys.local, &keys.all(), self.inner.config.clock.now())
    }

    /// Whether a key that somebody has shown before works still.
    pub(crate) fn key_works(&self, key: KeyId) -> bool {
        let all = self.inner.keys.all();
        all.get(&key.to_string())
            .is_some_and(|kept| still(kept, self.inner.config.clock.now()).is_ok())
    }

    /// A task of its own: what is on the disk must also be in force, though the client has left.
    async fn save(&self, kept: KeptKey) -> Result<(), KeyError> {
        let inner = self.inner.clone();
        let saved = self.inner.tasks.spawn(async move { inner.save_key(kept).await });
        saved.await.unwrap_or(Err(StoreError::Closed)).map_err(KeyError::Store)
    }
}

impl KeyId {
    /// As in the key; none for what is no id of ours.
    fn of(id: &str) -> Option<Self> {
        let known = u64::from_str_radix(id, 16).ok().map(Self);
        known.filter(|known| known.to_string() == id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0ID_DIGITS$x}", self.0)
    }
}

impl Inner {
    async fn save_key(&self, kept: KeptKey) -> Result<(), StoreError> {
        self.store.save_key(kept.clone()).await?;
        let mut all = self.keys.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(kept.key.id.clone(), kept);
        Ok(())
    }
}

/// The keys, by their ids.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Of sessions that are had with a key.
    pub(crate) signer: Signer,
    local: [u8; 32],
    all: RwLock<BTreeMap<String, KeptKey>>,
}

impl Keys {
    /// Reads those that there are, and makes the one of this process.
    pub(crate) async fn open(store: &Store, folders: &Folders) -> Result<Self, OpenError> {
        let all = store.keys().await?.into_iter().map(|kept| (kept.key.id.clone(), kept));
        let (secret, path) = (secret(), folders.local_key());
        write_private(&path, &format!("{PREFIX}{LOCAL}_{secret}\n"))
            .map_err(|source| OpenError::Directory { path, source })?;
        let signer = Signer::open(&folders.session_key());
        Ok(Self { signer, local: hash(&secret), all: RwLock::new(all.collect()) })
    }

    /// What the holder of the key of this id may do, if it works, and what is kept of the key.
    pub(crate) fn holder(&self, id: &str, now: Timestamp) -> Option<(Holder, [u8; 32])> {
        if id == LOCAL {
            return Some((Holder { scope: Scope::Admin, key: None, session: None }, self.local));
        }
        let all = self.all();
        let kept = all.get(id).filter(|kept| still(kept, now).is_ok())?;
        let key = Some(KeyId::of(id)?);
        let holder = Holder { scope: kept.key.scope, key, session: None };
        Some((holder, kept.hash))
    }

    fn all(&self) -> RwLockReadGuard<'_, BTreeMap<String, KeptKey>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in a file that its owner alone can read; none otherwise.
pub(crate) fn read_private(path: &Path) -> Option<String> {
    let is_private = path.metadata().ok()?.permissions().mode() & 0o077 == 0;
    Some(std::fs::read_to_string(path).ok().filter(|_| is_private)?.trim().into())
}

/// Writes over what an earlier one wrote, which has the same length: on a full disk that works.
pub(crate) fn write_private(path: &Path, line: &str) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

fn about(new: NewKey, now: Timestamp) -> Result<ApiKey, KeyError> {
    let NewKey { name, scope, expires } = new;
    let name = name.trim();
    let fits = (1..=MAX_KEY_NAME).contains(&name.chars().count());
    if !fits || name.chars().any(char::is_control) {
        return Err(KeyError::Name);
    }
    if let Some(past) = expires.filter(|expires| *expires <= now) {
        return Err(KeyError::Past(past));
    }
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(ID_DIGITS);
    Ok(ApiKey { id, name: name.into(), scope, created: now, expires, revoked: None })
}

fn judge(
    key: &str,
    local: &[u8; 32],
    all: &BTreeMap<String, KeptKey>,
    now: Timestamp,
) -> Result<Holder, BadKey> {
    let parts = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    let (id, secret) = parts.ok_or(BadKey::Unknown)?;
    // Hashes may be compared in any time: who does not know the secret cannot choose the hash.
    let hash = hash(secret);
    if id == LOCAL && hash == *local {
        return Ok(Holder { scope: Scope::Admin, key: None, session: None });
    }
    let kept = all.get(id).filter(|kept| kept.hash == hash).ok_or(BadKey::Unknown)?;
    still(kept, now)?;
    let key = KeyId::of(id).ok_or(BadKey::Unknown)?;
    Ok(Holder { scope: kept.key.scope, key: Some(key), session: None })
}

fn still(kept: &KeptKey, now: Timestamp) -> Result<(), BadKey> {
    match (kept.key.revoked, kept.key.expires) {
        (Some(revoked), _) => Err(BadKey::Revoked(revoked)),
        (None, Some(expires)) if expires <= now => Err(BadKey::Expired(expires)),
        (None, _) => Ok(()),
    }
}

/// 244 random bits.
pub(crate) fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn new(name: &str, expires: Option<Timestamp>) -> NewKey {
        NewKey { name: name.into(), scope: Scope::Operate, expires }
    }

    #[test]
    fn a_key_works_until_it_is_revoked_or_over() {
        let now = Timestamp::now();
        let about = about(new("bot", Some(now + DAY)), now).unwrap();
        let (secret, local) = (secret(), secret());
        let key = format!("cagent_{}_{secret}", about.id);
        let kept = KeptKey { key: about.clone(), hash: hash(&secret) };
        let mut all = BTreeMap::from([(about.id.clone(), kept)]);
        let (hash, local) = (hash(&local), format!("cagent_local_{local}"));
        let at = |key: &str, all: &_, now| judge(key, &hash, all, now);
        let held = Holder { scope: Scope::Operate, key: KeyId::of(&about.id), session: None };
        assert!(held.key.is_some_and(|key| key.to_string() == about.id));
        assert_eq!(at(&key, &all, now), Ok(held));
        assert_eq!(at(&key, &all, now + DAY), Err(BadKey::Expired(now + DAY)));
        let admin = Holder { scope: Scope::Admin, key: None, session: None };
        assert_eq!(at(&local, &all, now), Ok(admin));
        for wrong in [
            "",
            "cagent_",
            &secret,
            &key[..key.len() - 1],
            &key.replace("cagent_", "CAGENT_"),
            &format!("cagent_local_{secret}"),
            &format!("{key} "),
        ] {
            assert_eq!(at(wrong, &all, now), Err(BadKey::Unknown), "{wrong}");
        }
        all.get_mut(&about.id).unwrap().key.revoked = Some(now);
        assert_eq!(at(&key, &all, now + DAY), Err(BadKey::Revoked(now)));
    }

    #[test]
    fn a_key_has_a_name_and_a_future() {
        let now = Timestamp::now();
        let long = "x".repeat(MAX_KEY_NAME + 1);
        for name in ["", " \t", "a\nb", "\x1b[2J", &long] {
            assert!(matches!(about(new(name, None), now), Err(KeyError::Name)), "{name:?}");
        }
        assert!(matches!(about(new("bot", Some(now)), now), Err(KeyError::Past(_))));
        assert_eq!(about(new(" ci bot ", None), now).unwrap().name, "ci bot");
    }

    #[test]
    fn keys_differ_and_are_not_shown() {
        assert_ne!(secret(), secret());
        let about = about(new("bot", None), Timestamp::now()).unwrap();
        let made = MadeKey { key: "s3cret".into(), about };
        assert!(!format!("{made:?}").contains("s3cret"));
    }
}
