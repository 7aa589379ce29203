//! Who descends from whom, and so who may live on when a step ends: the processes that are kept, and
//! all beneath them.
//!
//! Not here: killing the others ([`crate::reaper`]).

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, Signal, getuid, kill_process};

/// A process as `/proc/PID/stat` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    parent: i32,
    /// Whether it runs code; a process whose first thread ended may still do.
    alive: bool,
    /// Whether somebody stopped it.
    stopped: bool,
}

/// The parent of PID 1, and of whoever was sent into the sandbox by its engine: nothing of a job's
/// gets there, since every orphan becomes a child of PID 1.
const OUTSIDE: i32 = 0;

/// How often to look again because a parent ended while we looked.
const LOOKS: usize = 10;

/// Those who live and are neither PID 1 nor beneath one of the kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strangers {
    pub(crate) pids: Vec<Pid>,
    /// Whether there are more of whom it cannot be said yet.
    unsure: bool,
}

impl Strangers {
    /// Looks who is there now.
    pub(crate) fn now(kept: &HashSet<i32>) -> Self {
        let mut found = Self::default();
        for _ in 0..LOOKS {
            found = strangers(&table(), kept);
            if !found.unsure {
                break;
            }
        }
        found
    }

    pub(crate) fn is_none(&self) -> bool {
        self.pids.is_empty() && !self.unsure
    }
}

/// Everybody beneath a process, without itself.
fn beneath(root: Pid) -> Vec<Pid> {
    let (root, table) = (root.as_raw_pid(), table());
    let kept = HashSet::from([root]);
    let beneath = |pid: &i32| *pid != root && kinship(*pid, &table, &kept) == Kinship::Kept;
    table.keys().filter(|pid| beneath(pid)).filter_map(|pid| Pid::from_raw(*pid)).collect()
}

/// Sends everybody beneath a process a signal, but not itself.
pub(crate) fn signal_beneath(root: Pid, signal: Signal) {
    for pid in beneath(root) {
        // Who has ended just now needs none.
        let _ = kill_process(pid, signal);
    }
}

/// Whether somebody was sent into the sandbox, such as `agentd bridge`.
pub(crate) fn is_visited() -> bool {
    table().iter().any(|(pid, entry)| *pid != Pid::INIT.as_raw_pid() && entry.parent == OUTSIDE)
}

/// The children of PID 1 that somebody stopped.
pub(crate) fn stopped_children() -> Vec<Pid> {
    let init = Pid::INIT.as_raw_pid();
    let stopped = |entry: &Entry| entry.stopped && entry.parent == init;
    let stopped = table().into_iter().filter(|(_, entry)| stopped(entry));
    stopped.filter_map(|(pid, _)| Pid::from_raw(pid)).collect()
}

fn table() -> HashMap<i32, Entry> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, look(pid)?))).collect()
}

/// A visitor with a command's rights is one that commands can make do anything: it counts as a child
/// of PID 1.
fn look(pid: i32) -> Option<Entry> {
    let mut entry = parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let init = Pid::INIT.as_raw_pid();
    if entry.parent == OUTSIDE && pid != init {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        if user(&status)? != getuid().as_raw() {
            entry.parent = init;
        }
    }
    Some(entry)
}

/// The real user of `status`; the owner of `/proc/PID` is no witness, since a process can hide it.
fn user(status: &str) -> Option<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// State, parent and threads: fields 3, 4 and 20 of `stat`, whose second one may hold anything.
fn parse(stat: &str) -> Option<Entry> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let (ended, stopped) = (matches!(state, "Z" | "X"), matches!(state, "T" | "t"));
    let parent = fields.next()?.parse().ok()?;
    let threads: u32 = fields.nth(15)?.parse().ok()?;
    Some(Entry { parent, alive: !ended || threads > 1, stopped })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinship {
    Kept,
    Stranger,
    Unsure,
}

fn strangers(table: &HashMap<i32, Entry>, kept: &HashSet<i32>) -> Strangers {
    let mut found = Strangers::default();
    for pid in table.iter().filter(|(_, entry)| entry.alive).map(|(pid, _)| *pid) {
        match kinship(pid, table, kept) {
            Kinship::Kept => {}
            Kinship::Stranger => found.pids.extend(Pid::from_raw(pid)),
            Kinship::Unsure => found.unsure = true,
        }
    }
    found
}

fn kinship(pid: i32, table: &HashMap<i32, Entry>, kept: &HashSet<i32>) -> Kinship {
    let init = Pid::INIT.as_raw_pid();
    let mut at = pid;
    // A longer chain has a circle, which a table read in pieces may have.
    for _ in 0..=table.len() {
        if pid == init || kept.contains(&at) {
            return Kinship::Kept;
        }
        if at == init {
            return Kinship::Stranger;
        }
        if at == OUTSIDE {
            return Kinship::Kept;
        }
        match table.get(&at) {
            Some(entry) => at = entry.parent,
            None => break,
        }
    }
    Kinship::Unsure
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn family(entries: &[(i32, i32)]) -> HashMap<i32, Entry> {
        let entry = |parent: i32| Entry { parent, alive: true, stopped: false };
        entries.iter().map(|(pid, parent)| (*pid, entry(*parent))).collect()
    }

    fn raw(found: &Strangers) -> Vec<i32> {
        let mut pids: Vec<i32> = found.pids.iter().map(|pid| pid.as_raw_pid()).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn all_but_pid_1_and_those_beneath_the_kept_are_strangers() {
        let all = family(&[(1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]);
        let found = strangers(&all, &HashSet::from([2]));
        assert_eq!((raw(&found), found.unsure), (vec![5, 6], false));
        assert_eq!(raw(&strangers(&all, &HashSet::new())), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn whoever_was_sent_into_the_sandbox_is_no_stranger() {
        let found = strangers(&family(&[(1, 0), (2, 1), (7, 0), (8, 7)]), &HashSet::new());
        assert_eq!((raw(&found), found.unsure), (vec![2], false));
    }

    #[test]
    fn a_process_tells_its_user() {
        assert_eq!(user("Name:\ta\nUid:\t1000\t0\t0\t0\nGid:\t7\n"), Some(1000));
        let own = fs::read_to_string("/proc/self/status").unwrap();
        assert_eq!(user(&own), Some(getuid().as_raw()));
    }

    #[test]
    fn who_lost_a_parent_just_now_is_looked_at_again() {
        let found = strangers(&family(&[(1, 0), (2, 1), (4, 3)]), &HashSet::from([2]));
        assert_eq!(found, Strangers { pids: vec![], unsure: true });
    }

    #[test]
    fn the_dead_are_no_strangers_unless_a_thread_lives() {
        let dead = |threads| parse(&format!("7 (a ) b) Z 1{} {threads} 0", " 0".repeat(15)));
        assert_eq!(dead(1), Some(Entry { parent: 1, alive: false, stopped: false }));
        assert_eq!(dead(2), Some(Entry { parent: 1, alive: true, stopped: false }));
        assert!(parse(&format!("7 (a) T 1{} 1 0", " 0".repeat(15))).unwrap().stopped);
        let own = look(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.alive);
    }

    proptest! {
        /// Nobody beneath a kept process is ever taken for a stranger, whatever was read.
        #[test]
        fn the_kept_are_safe(
            parents in prop::collection::hash_map(2i32..30, 1i32..40, 0..25),
            kept in prop::collection::hash_set(2i32..30, 0..4),
        ) {
            let mut entries: Vec<(i32, i32)> = parents.into_iter().collect();
            entries.push((1, 0));
            let all = family(&entries);
            for pid in raw(&strangers(&all, &kept)) {
                let mut at = pid;
                while at != 1 {
                    prop_assert!(!kept.contains(&at));
                    at = all[&at].parent;
                }
            }
        }
    }
}
