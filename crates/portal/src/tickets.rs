//! Secrets that stand for a right: tickets in addresses, for one use, and the sessions in cookies
//! that they are exchanged for. In memory only: who restarts the server ends them all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use types::JobId;
use uuid::Uuid;

use crate::View;

/// How long a ticket works: it is made when somebody is about to use it.
pub(crate) const TICKET: Duration = Duration::from_secs(60);

/// How long a session works: a working day.
pub(crate) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// The most secrets of one kind; the oldest goes for a new one.
const MOST: usize = 4096;

/// What a secret stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) job: JobId,
    pub(crate) view: View,
}

/// Secrets of one kind.
pub(crate) struct Secrets {
    lifetime: Duration,
    held: Mutex<HashMap<String, (Instant, Grant)>>,
}

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
        if held.len() >= MOST {
            let oldest = held.iter().min_by_key(|(_, (until, _))| *until);
            let oldest = oldest.map(|(secret, _)| secret.clone()).unwrap_or_default();
            held.remove(&oldest);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Grant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 244 random bits, in characters that need no escape anywhere.
fn generate() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant { job: JobId::generate(), view: View::Watch }
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
    fn no_two_are_alike() {
        let secret = generate();
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(secret, generate());
    }
}
