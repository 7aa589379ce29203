//! What is done to the server, and when. Pure: a seed gives the same plan on every machine.

use clap::ValueEnum;
use fastrand::Rng;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// SIGKILL for the orchestrator, at any moment
    Kill,
    /// SIGKILL for it right after one of its system calls: a commit, a rename …
    Moment,
    /// SIGKILL for it, and again while it starts
    Start,
    /// SIGKILL for the helper of a sandbox
    Helper,
    /// SIGKILL for a sandbox's agentd, on every engine
    Agent,
    /// SIGSTOP for the orchestrator, and SIGCONT later
    Pause,
    /// SIGSTOP for the helper of a sandbox, and SIGCONT later
    PauseHelper,
    /// A job's gateway socket is removed
    Socket,
    /// The disk is full for a while
    Disk,
    /// The store's files cannot be written for a while
    Io,
    /// The Docker daemon is killed and started again
    Daemon,
}

impl Fault {
    /// Whether the orchestrator dies of it.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::Kill | Self::Moment | Self::Start)
    }
}

/// After which system call the orchestrator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The call, as `strace` names it.
    pub(crate) call: &'static str,
    /// Only of this file of the data directory.
    pub(crate) file: Option<&'static str>,
    /// What is between this call and the next, for people.
    pub(crate) what: &'static str,
}

/// Where it hurts. `strace` holds the thread right behind the call, so what follows it is not done.
pub(crate) const MOMENTS: &[Moment] = &[
    Moment { call: "fsync", file: Some("cagent.db-wal"), what: "committed, not answered" },
    Moment { call: "renameat", file: None, what: "ZIP in place, row not changed" },
    Moment { call: "rename", file: None, what: "sandbox taken away, row not changed" },
    Moment { call: "pwrite64", file: Some("cagent.db-wal"), what: "a change half written" },
    Moment { call: "symlink", file: None, what: "uids noted, no sandbox yet" },
    Moment { call: "bind", file: None, what: "gateway open, sandbox not started" },
    Moment { call: "mkdir", file: None, what: "a folder half made" },
    Moment { call: "unlink", file: None, what: "a folder half removed" },
];

/// One thing that is done to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    /// After so many more jobs were accepted …
    pub(crate) jobs: u64,
    /// … and so many milliseconds.
    pub(crate) millis: u64,
    /// For how many milliseconds it lasts, or until the server is started again.
    pub(crate) lasts: u64,
    /// Of a [`Fault::Moment`]: which.
    pub(crate) moment: Moment,
    /// And the how manieth of these calls. Else: which of the sandboxes.
    pub(crate) nth: u64,
}

/// A plan with so many kills; other faults are strewn between them.
pub(crate) fn plan(seed: u64, kills: u32, faults: &[Fault], longest: u64) -> Vec<Strike> {
    let mut rng = Rng::with_seed(seed);
    let (deadly, other): (Vec<Fault>, Vec<Fault>) = faults.iter().partition(|fault| fault.kills());
    let mut plan = vec![];
    // Each of the others in its turn, so that a short run has all of them.
    let mut turns = other.iter().cycle();
    let mut left = if deadly.is_empty() { 0 } else { kills };
    let mut rest = if other.is_empty() { 0 } else { (kills / 2).max(1) };
    while left + rest > 0 {
        let next = if rng.u32(..left + rest) < left {
            left -= 1;
            rng.choice(&deadly)
        } else {
            rest -= 1;
            turns.next()
        };
        plan.extend(next.map(|fault| strike(*fault, longest, &mut rng)));
    }
    plan
}

fn strike(fault: Fault, longest: u64, rng: &mut Rng) -> Strike {
    Strike {
        fault,
        jobs: rng.u64(0..4),
        millis: rng.u64(0..300),
        lasts: match fault {
            Fault::Kill | Fault::Moment | Fault::Start => rng.u64(0..200),
            _ => rng.u64(longest / 4..=longest),
        },
        moment: MOMENTS[rng.usize(..MOMENTS.len())],
        nth: rng.u64(1..8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_seed_is_a_plan(seed: u64, kills in 1..200_u32) {
            let faults = Fault::value_variants();
            let made = plan(seed, kills, faults, 1_000);
            prop_assert_eq!(&made, &plan(seed, kills, faults, 1_000));
            let deadly = made.iter().filter(|strike| strike.fault.kills()).count();
            prop_assert_eq!(deadly, kills as usize);
            prop_assert!(made.iter().all(|strike| strike.lasts <= 1_000));
        }
    }

    #[test]
    fn a_short_plan_has_every_fault() {
        let made = plan(7, 30, Fault::value_variants(), 1_000);
        for fault in Fault::value_variants() {
            assert!(made.iter().any(|strike| strike.fault == *fault), "{fault:?}");
        }
    }

    #[test]
    fn without_kills_there_are_other_faults() {
        let made = plan(7, 10, &[Fault::Pause], 1_000);
        assert_eq!(made.len(), 5);
    }
}
