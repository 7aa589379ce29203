//! Which host uids sandboxes run as.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use engine::EngineError;

use crate::UidRange;
use crate::inside::ENGINE;
use crate::plan::Users;

/// Files that give ranges of uids or gids to users of the host.
const SUBORDINATE: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// Hands out users for sandboxes.
#[derive(Debug)]
pub(crate) enum Uids {
    /// Two uids for each live sandbox; the set holds the agentd uids in use.
    Own { range: UidRange, used: Mutex<BTreeSet<u32>> },
    /// Everything runs as the caller.
    Caller { uid: u32, gid: u32 },
}

impl Uids {
    /// Separate users if this process may give processes any uid of the range, else the caller's.
    pub(crate) fn open(range: UidRange) -> Result<Self, EngineError> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let known = |map| covers(&std::fs::read_to_string(map).unwrap_or_default(), range);
        if uid != 0 || !known("/proc/self/uid_map") || !known("/proc/self/gid_map") {
            return Ok(Self::Caller { uid, gid });
        }
        for file in SUBORDINATE {
            check_free(file, &std::fs::read_to_string(file).unwrap_or_default(), range)?;
        }
        Ok(Self::Own { range, used: Mutex::default() })
    }

    /// Users that no live sandbox has.
    pub(crate) fn take(&self) -> Result<Users, EngineError> {
        match self {
            Self::Caller { uid, gid } => Ok(Users::Shared { uid: *uid, gid: *gid }),
            Self::Own { range, used } => {
                let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
                let pairs = (0..range.count / 2).map(|pair| range.first + 2 * pair);
                let agentd =
                    pairs.into_iter().find(|uid| !used.contains(uid)).ok_or_else(|| {
                        let all = range.count / 2;
                        EngineError::Exhausted(format!("all {all} pairs of uids are in use"))
                    })?;
                used.insert(agentd);
                Ok(Users::Separate { agentd, commands: agentd + 1 })
            }
        }
    }

    /// Notes that a sandbox has these users already.
    pub(crate) fn keep(&self, users: Users) {
        self.with_used(users, |used, agentd| used.insert(agentd));
    }

    /// Gives the users of a removed sandbox back.
    pub(crate) fn release(&self, users: Users) {
        self.with_used(users, |used, agentd| used.remove(&agentd));
    }

    fn with_used(&self, users: Users, change: impl FnOnce(&mut BTreeSet<u32>, u32) -> bool) {
        if let (Self::Own { used, .. }, Users::Separate { agentd, .. }) = (self, users) {
            change(&mut used.lock().unwrap_or_else(PoisonError::into_inner), agentd);
        }
    }
}

/// Whether a `uid_map` (inside, outside, count a line) knows the whole range.
fn covers(map: &str, range: UidRange) -> bool {
    let numbers = |line: &str| -> Vec<u64> {
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let (first, end) = (u64::from(range.first), u64::from(range.first) + u64::from(range.count));
    map.lines().any(|line| match numbers(line)[..] {
        [inside, _, count] => inside <= first && end <= inside + count,
        _ => false,
    })
}

/// Refuses a range of which `/etc/subuid` (name:first:count a line) gives a part away.
fn check_free(file: &str, text: &str, range: UidRange) -> Result<(), EngineError> {
    let (first, end) = (u64::from(range.first), u64::from(range.first) + u64::from(range.count));
    let taken = |line: &&str| {
        let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>());
        match (fields.next(), fields.next()) {
            (Some(Ok(start)), Some(Ok(count))) => start < end && first < start + count,
            _ => false,
        }
    };
    let Some(line) = text.lines().find(taken) else { return Ok(()) };
    Err(EngineError::Unavailable {
        engine: ENGINE,
        why: format!("its uids {first} to {} overlap with `{line}` in {file}", end - 1),
        cure: "change that line, or give the embedded engine another range of uids".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: UidRange = UidRange { first: 1000, count: 4 };

    fn own() -> Uids {
        Uids::Own { range: RANGE, used: Mutex::default() }
    }

    #[test]
    fn hands_out_the_lowest_free_pair() {
        let uids = own();
        let first = uids.take().unwrap();
        assert_eq!(first, Users::Separate { agentd: 1000, commands: 1001 });
        assert_eq!(uids.take().unwrap(), Users::Separate { agentd: 1002, commands: 1003 });
        assert!(matches!(uids.take(), Err(EngineError::Exhausted(_))));
        uids.release(first);
        assert_eq!(uids.take().unwrap(), first);
    }

    #[test]
    fn never_hands_out_what_a_living_sandbox_has() {
        let uids = own();
        uids.keep(Users::Separate { agentd: 1000, commands: 1001 });
        assert_eq!(uids.take().unwrap(), Users::Separate { agentd: 1002, commands: 1003 });
    }

    #[test]
    fn a_range_given_to_somebody_else_is_refused() {
        check_free("f", "a:0:1000\nb:1004:5\n# no line\n", RANGE).unwrap();
        let error = check_free("f", "a:1:1\ndocker:1003:65536", RANGE).unwrap_err().to_string();
        assert!(error.contains("docker:1003:65536"), "{error}");
    }

    #[test]
    fn a_map_must_know_the_whole_range() {
        assert!(covers("         0          0 4294967295\n", RANGE));
        assert!(!covers("0 100000 1002\n", RANGE));
        assert!(!covers("", RANGE));
    }
}
