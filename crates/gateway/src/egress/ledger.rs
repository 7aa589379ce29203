//! What a job's connections come to, in few words: a hostile job must not fill the log with them.
//!
//! Time is cut into windows. In one, the first few are told at once, a refusal only if it is not
//! like one before it; what else happens is summed up and told when the window ends. A job that
//! keeps on gets ever longer windows. Pure: the clock is passed in, others do the telling.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use types::{Egress, EgressVerdict};

/// The first windows.
const WINDOW: Duration = Duration::from_secs(1);

/// How many are told at once in one window, and how many different ones are told apart of the rest.
const MOST: usize = 20;

/// After so many a window is twice as long.
const FLOOD: u64 = 1_000;

/// The most doublings: a quarter of an hour.
const MAX_DOUBLINGS: u64 = 10;

/// The host of those that were too many to be told apart.
const OTHERS: &str = "(other hosts)";

/// What is yet to be told of one job's connections.
#[derive(Debug)]
pub(super) struct Ledger {
    /// End of the window.
    ends: Instant,
    /// How many were told at once in it.
    at_once: usize,
    /// The refusals and failures among them.
    seen: BTreeSet<(String, u16)>,
    /// To be told now.
    ready: Vec<Egress>,
    /// To be told when the window ends.
    sums: Vec<Egress>,
    /// How many were told in all windows.
    told: u64,
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        let (seen, ready, sums) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { ends: now + WINDOW, at_once: 0, seen, ready, sums, told: 0 }
    }

    /// Takes note of a connection that is over.
    pub(super) fn add(&mut self, now: Instant, egress: Egress) {
        self.turn(now);
        let is_new = match egress.verdict {
            EgressVerdict::Allowed => true,
            EgressVerdict::Refused | EgressVerdict::Failed => {
                self.seen.len() < MOST && self.seen.insert((egress.host.clone(), egress.port))
            }
        };
        if is_new && self.at_once < MOST && self.ready.len() < MOST {
            self.at_once += 1;
            self.ready.push(egress);
        } else {
            sum_up(&mut self.sums, egress);
        }
    }

    /// What is to be told now.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Egress> {
        self.turn(now);
        let ready = std::mem::take(&mut self.ready);
        self.told += ready.len() as u64;
        ready
    }

    /// Everything, at the end.
    pub(super) fn take_all(&mut self) -> Vec<Egress> {
        self.ready.append(&mut self.sums);
        std::mem::take(&mut self.ready)
    }

    /// When there will be something to tell, if nothing more is added.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.sums.is_empty()).then_some(self.ends)
    }

    /// Begins a new window if the old one is over.
    fn turn(&mut self, now: Instant) {
        if now < self.ends || self.ready.len() > MOST {
            return;
        }
        self.ready.append(&mut self.sums);
        self.seen.clear();
        self.at_once = 0;
        let doublings = (self.told / FLOOD).min(MAX_DOUBLINGS);
        self.ends = now + WINDOW * (1 << doublings);
    }
}

/// Adds to the one it is like, or to what stands for all the others.
fn sum_up(sums: &mut Vec<Egress>, mut egress: Egress) {
    let is_full = sums.len() >= MOST;
    let alike = |sum: &&mut Egress| is_alike(sum, &egress);
    if let Some(sum) = sums.iter_mut().find(alike) {
        return add_to(sum, &egress);
    }
    if is_full {
        (egress.host, egress.port) = (OTHERS.into(), 0);
        egress.why = egress.why.map(|_| "too many to be listed one by one".into());
        if let Some(sum) = sums.iter_mut().find(|sum| is_alike(sum, &egress)) {
            return add_to(sum, &egress);
        }
    }
    sums.push(egress);
}

fn is_alike(a: &Egress, b: &Egress) -> bool {
    (&a.host, a.port, a.verdict, &a.why) == (&b.host, b.port, b.verdict, &b.why)
}

fn add_to(sum: &mut Egress, one: &Egress) {
    sum.sent_bytes += one.sent_bytes;
    sum.received_bytes += one.received_bytes;
    sum.millis = sum.millis.max(one.millis);
    sum.count += one.count;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn egress(host: &str, verdict: EgressVerdict) -> Egress {
        let why = (verdict != EgressVerdict::Allowed).then(|| "because".into());
        let (sent_bytes, received_bytes, millis, count) = (1, 2, 3, 1);
        let host = host.into();
        Egress { host, port: 443, verdict, why, sent_bytes, received_bytes, millis, count }
    }

    #[test]
    fn the_first_ones_are_told_at_once() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        for verdict in [EgressVerdict::Allowed, EgressVerdict::Allowed, EgressVerdict::Refused] {
            ledger.add(now, egress("a", verdict));
            assert_eq!(ledger.take(now), [egress("a", verdict)]);
        }
        assert_eq!(ledger.due(), None);
    }

    #[test]
    fn the_same_refusals_are_told_once_more() {
        let now = Instant::now();
        let mut ledger = Ledger::new(now);
        for _ in 0..1_000 {
            ledger.add(now, egress("a", EgressVerdict::Refused));
        }
        assert_eq!(ledger.take(now).len(), 1);
        assert_eq!(ledger.due(), Some(now + WINDOW));
        let [rest] = ledger.take(now + WINDOW).try_into().unwrap();
        assert_eq!((rest.count, rest.sent_bytes), (999, 999));
        assert_eq!(ledger.due(), None);
    }

    #[test]
    fn those_who_keep_on_get_longer_windows() {
        let mut now = Instant::now();
        let mut ledger = Ledger::new(now);
        let mut told = 0;
        // An hour of a connection to another host every 10 ms.
        for n in 0..360_000 {
            ledger.add(now, egress(&n.to_string(), EgressVerdict::Refused));
            told += ledger.take(now).len();
            now += Duration::from_millis(10);
        }
        assert!(told < 12_000, "{told} events");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_little_is_told(
            all in prop::collection::vec((0u8..40, any::<bool>(), 0u64..300), 0..500)
        ) {
            let begin = Instant::now();
            let mut ledger = Ledger::new(begin);
            let (mut now, mut told) = (begin, Vec::new());
            for (host, allowed, millis) in &all {
                now += Duration::from_millis(*millis);
                let verdict =
                    if *allowed { EgressVerdict::Allowed } else { EgressVerdict::Refused };
                ledger.add(now, egress(&host.to_string(), verdict));
                told.extend(ledger.take(now));
            }
            told.extend(ledger.take_all());
            let (counted, sent): (u64, u64) =
                told.iter().fold((0, 0), |(c, s), e| (c + e.count, s + e.sent_bytes));
            prop_assert_eq!((counted, sent), (all.len() as u64, all.len() as u64));
            let windows = 2 + now.duration_since(begin).as_secs() as usize;
            prop_assert!(told.len() <= windows * (2 * MOST + 3));
        }
    }
}
