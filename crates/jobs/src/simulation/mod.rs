//! Whole lives of jobs on a bad day: both sides crash, calls are late, lost, cut off and overtake
//! each other, the store fails, the machine loses its power. Every seed is one day, the same each
//! time.
//!
//! ```text
//!  people ──► orchestrator ═══ gateway ═══ network ═══ agent      faults: whatever may go wrong
//!                  │    └── engine: sandboxes ──────────┘         judge: what must be true anyway
//!                world: what outlives a crash
//! ```
//!
//! What decides is the real code: the outbox and its delivery, the inbox, orders and keys of the
//! gateway, intake, translation, life cycle, queue, budgets, and what follows from a restart. Only
//! their shells (sockets, disk, tasks) are stood in for, one file each.
//!
//! `CAGENT_SEEDS=100000 cargo test -p jobs --release simulation` tries more days, `CAGENT_SEED=7`
//! that one.

mod agent;
mod engine;
mod faults;
mod gateway;
mod judge;
mod network;
mod orchestrator;
mod people;
mod plan;
mod questions;
mod work;
mod world;

use std::time::Duration;

use tokio::task::LocalSet;

use faults::Flaw;
use world::World;

/// How many days are tried.
const SEEDS: u64 = 1000;

/// By then every job has ended, whatever happened to it.
const LONGEST_DAY: Duration = Duration::from_secs(3600);

#[test]
fn nothing_is_lost_and_nothing_is_run_twice() {
    let seeds = match number("CAGENT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CAGENT_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Some(wrong) = day(seed, None) {
            panic!("CAGENT_SEED={seed}: {wrong}");
        }
    }
}

/// A simulation that finds nothing must be able to find something.
#[test]
fn every_flaw_is_found() {
    for flaw in Flaw::ALL {
        let found = (0..SEEDS).find(|seed| day(*seed, Some(*flaw)).is_some());
        assert!(found.is_some(), "{flaw:?} was not found in {SEEDS} days");
    }
}

#[test]
fn a_seed_is_the_same_day_each_time() {
    let days = |_| (0..20).map(diary).collect::<Vec<_>>();
    assert_eq!(days(1), days(2));
}

/// What went wrong on this day, if anything did.
fn day(seed: u64, flaw: Option<Flaw>) -> Option<String> {
    lived(seed, flaw, |world| world.wrong())
}

/// All that was recorded on this day.
fn diary(seed: u64) -> Vec<String> {
    lived(seed, None, |world| world.diary())
}

fn lived<T>(seed: u64, flaw: Option<Flaw>, look: impl FnOnce(&World) -> T) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let local = LocalSet::new();
    let world = World::new(seed, flaw);
    let outcome = local.block_on(&runtime, async {
        let all = faults::live_through(world.clone());
        tokio::time::timeout(LONGEST_DAY, all).await
    });
    if outcome.is_err() {
        world.is_wrong(&format!("not every job came to its end: {}", world.unfinished()));
    }
    judge::all(&world);
    look(&world)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}
