//! Secrets that stand for a right: tickets in addresses, for one use, and the sessions in cookies
//! that they are exchanged for. In memory only: who restarts the server ends them all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jobs::{Holder, KeyId};
use types::JobId;
use uuid::Uuid;

use crate::View;

/// How long a ticket works: it is made when somebody is about to use it.
pub(crate) const TICKET: Duration = Duration::from_secs(60);

/// The most secrets of one kind; for a new one goes the oldest of the key that has the most.
const MOST: usize = 4096;

/// The most for one thing; the oldest goes for a new one.
const MOST_ALIKE: usize = 64;

/// What a secret stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) job: JobId,
    pub(crate) view: View,
    /// Who had it, and with what it ends; none where nobody had to show anything.
    pub(crate) holder: Option<Holder>,
}

impl Grant {
    fn key(&self) -> Option<KeyId> {
        self.holder?.key
    }
}

/// Secrets of one kind.
pub(crate) struct Secrets {
    lifetime: Duration,
    held: Mutex<Held>,
}

type Held = HashMap<String, (Instant, Grant)>;

// A secret must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Secrets {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, held: Mutex::default() }
    }

    /// A new secret.
    pub(crate) fn give(&self, now: Instant, grant: Grant) -> String {
        let secret = generate();
        let mut held = self.lock();
        held.retain(|_, (until, _)| *until > now);
        if held.values().filter(|(_, other)| *other == grant).count() >= MOST_ALIKE {
            drop_oldest(&mut held, |other| *other == grant);
        } else if held.len() >= MOST {
            let greediest = greediest(&held);
            drop_oldest(&mut held, |other| other.key() == greediest);
        }
        held.insert(secret.clone(), (now + self.lifetime, grant));
        secret
    }

    /// What it stands for, for the last time.
    pub(crate) fn take(&self, now: Instant, secret: &str) -> Option<Grant> {
        let (until, grant) = self.lock().remove(secret)?;
        (until > now).then_some(grant)
    }

    /// What it stands for.
    pub(crate) fn look(&self, now: Instant, secret: &str) -> Option<Grant> {
        let (until, grant) = *self.lock().get(secret)?;
        (until > now).then_some(grant)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_oldest(held: &mut Held, of: impl Fn(&Grant) -> bool) {
    let those = held.iter().filter(|(_, (_, grant))| of(grant));
    let oldest = those.min_by_key(|(_, (until, _))| *until).map(|(secret, _)| secret.clone());
    held.remove(&oldest.unwrap_or_default());
}

/// The key that has the most of them.
fn greediest(held: &Held) -> Option<KeyId> {
    let mut by_key = HashMap::<_, usize>::new();
    held.values().for_each(|(_, grant)| *by_key.entry(grant.key()).or_default() += 1);
    by_key.into_iter().max_by_key(|(_, count)| *count).and_then(|(key, _)| key)
}

/// 244 random bits, in characters that need no escape anywhere.
fn generate() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant { job: JobId::generate(), view: View::Watch, holder: None }
    }

    #[test]
    fn a_ticket_is_for_one_use() {
        let (tickets, now, grant) = (Secrets::new(TICKET), Instant::now(), grant());
        let ticket = tickets.give(now, grant);
        assert_eq!(tickets.look(now, &ticket), Some(grant));
        assert_eq!(tickets.take(now, &ticket), Some(grant));
        assert_eq!(tickets.take(now, &ticket), None);
        assert_eq!(tickets.take(now, ""), None);
    }

    #[test]
    fn everything_ends() {
        let (tickets, now) = (Secrets::new(TICKET), Instant::now());
        let (one, two) = (tickets.give(now, grant()), tickets.give(now, grant()));
        let late = now + TICKET;
        assert_eq!(tickets.look(late, &one), None);
        assert_eq!(tickets.take(late, &two), None);
        tickets.give(late, grant());
        assert_eq!(tickets.lock().len(), 1, "what has ended is not kept");
    }

    #[test]
    fn there_is_an_end_to_how_many_are_kept() {
        let (tickets, now) = (Secrets::new(TICKET), Instant::now());
        let oldest = tickets.give(now, grant());
        let moment = Duration::from_nanos(1);
        let newer: Vec<_> = (0..MOST).map(|_| tickets.give(now + moment, grant())).collect();
        assert_eq!(tickets.lock().len(), MOST);
        assert_eq!(tickets.look(now, &oldest), None);
        assert!(newer.iter().all(|ticket| tickets.look(now, ticket).is_some()));
    }

    #[test]
    fn whoever_asks_for_many_loses_their_own() {
        let (tickets, now, mine) = (Secrets::new(TICKET), Instant::now(), grant());
        let moment = Duration::from_nanos(1);
        let others = tickets.give(now, Grant { view: View::Control, ..mine });
        let first = tickets.give(now, mine);
        for _ in 0..MOST_ALIKE {
            tickets.give(now + moment, mine);
        }
        assert_eq!(tickets.lock().len(), MOST_ALIKE + 1);
        assert_eq!(tickets.look(now, &first), None);
        assert!(tickets.look(now, &others).is_some());
    }

    #[test]
    fn no_two_are_alike() {
        let secret = generate();
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(secret, generate());
    }
}
