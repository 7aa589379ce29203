//! Who was there when TERM was sent, and should have died of it.
//!
//! A shell that catches signals (for its EXIT trap, say) and has just forked loses a TERM that
//! reaches the child before the child has put its own handling back: the child then execs and lives
//! on. Such a process is known by this: it was there before the TERM and nothing in it catches,
//! ignores or blocks TERM. Clean-up commands that a shell starts because of the TERM were not there.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::kin::Strangers;

/// A process, told apart from a later one of the same number by when it started.
type Process = (i32, u64);

/// Everybody but PID 1 at one moment.
#[derive(Debug)]
pub(crate) struct Witnesses(HashSet<Process>);

impl Witnesses {
    /// Looks who is there now.
    pub(crate) fn now() -> Self {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let others = pids.filter(|pid| *pid != Pid::INIT.as_raw_pid());
        Self(others.filter_map(|pid| Some((pid, start_time(pid)?))).collect())
    }

    /// Sends TERM once more to those on whom it was lost and who are not to be spared.
    pub(crate) fn term_again(&self, kept: &HashSet<i32>) {
        let strangers = (!kept.is_empty()).then(|| Strangers::now(kept).pids);
        let spared = |pid: i32| {
            strangers.as_ref().is_some_and(|them| !them.iter().any(|it| it.as_raw_pid() == pid))
        };
        for (pid, started) in &self.0 {
            if !spared(*pid)
                && start_time(*pid) == Some(*started)
                && dies_of_term(*pid)
                && let Some(pid) = Pid::from_raw(*pid)
            {
                // It may have ended just now.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }
}

/// Clock ticks from boot to the start; field 22 of `stat`, whose second one may hold anything.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn dies_of_term(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| handles_no_term(&status))
}

fn handles_no_term(status: &str) -> bool {
    const TERM: u64 = 1 << (Signal::TERM.as_raw() - 1);
    ["SigBlk:", "SigIgn:", "SigCgt:"].into_iter().all(|name| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & TERM == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_does_nothing_about_term_dies_of_it() {
        let status = |ignored: &str, caught: &str| {
            format!("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n")
        };
        assert!(handles_no_term(&status("0000000000000001", "0000000000010002")));
        assert!(!handles_no_term(&status("0000000000004000", "0000000000000000")));
        assert!(!handles_no_term(&status("0000000000000000", "0000000000004000")));
        assert!(!handles_no_term("Name:\tx\n"), "when in doubt, no");
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some());
        assert!(Witnesses::now().0.contains(&(own, start_time(own).unwrap())));
    }
}
