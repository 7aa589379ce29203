//! What goes wrong on a day, and what may be wrong with us.

use std::rc::Rc;
use std::time::Duration;

use ::engine::SandboxEnd;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use types::JobId;

use super::orchestrator::Orchestrator;
use super::people;
use super::world::World;

/// Something that somebody could have built wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Reports that were taken before are taken again.
    TakesTwice,
    /// Reports are acknowledged before they are recorded.
    AnswersUnrecorded,
    /// What is sent again gets new numbers.
    Renumbers,
    /// A step is begun before its beginning is recorded.
    BeginsUnrecorded,
    /// A step whose end nobody reported is not ended.
    ForgetsSteps,
    /// A job whose agent was connected is started again.
    StartsAgain,
    /// A cancel from before a restart is not told to the agent.
    ForgetsCancels,
    /// What a model was being asked when the orchestrator died costs nothing.
    ForgetsReserves,
    /// A connection that is told again is opened again.
    DialsTwice,
    /// What a decision was about is not looked at.
    DecidesTwice,
    /// What is still to be told of a job is told, however late.
    TellsTooLate,
}

impl Flaw {
    pub(super) const ALL: &[Self] = &[
        Self::TakesTwice,
        Self::AnswersUnrecorded,
        Self::Renumbers,
        Self::BeginsUnrecorded,
        Self::ForgetsSteps,
        Self::StartsAgain,
        Self::ForgetsCancels,
        Self::ForgetsReserves,
        Self::DialsTwice,
        Self::DecidesTwice,
        Self::TellsTooLate,
    ];
}

/// A day: people want things, much goes wrong, then nothing more does, and all come to their end.
pub(super) async fn live_through(world: Rc<World>) {
    let slots = world.dice().usize(1..4);
    Orchestrator::start(&world, slots);
    let mut people = JoinSet::new();
    for request in 0..world.dice().u64(1..5) {
        people.spawn_local(people::want(world.clone(), request));
    }
    let trouble = Instant::now() + Duration::from_millis(world.dice().u64(..15_000));
    while Instant::now() < trouble {
        let pause = Duration::from_millis(world.dice().u64(1..2500));
        tokio::select! {
            biased;
            () = world.plug.notified() => pull_the_plug(&world, slots).await,
            () = sleep(pause) => strike(&world, slots).await,
        }
    }
    world.calm.set(true);
    world.cut_off.borrow_mut().clear();
    while people.join_next().await.is_some() {}
    while world.orchestrator.borrow().as_ref().is_some_and(|it| !it.live.borrow().is_empty()) {
        sleep(Duration::from_millis(10)).await;
    }
    Orchestrator::kill(&world);
}

async fn strike(world: &Rc<World>, slots: usize) {
    let fault = world.dice().u8(..10);
    match fault {
        0..=4 => pull_the_plug(world, slots).await,
        5 | 6 => cut_off(world).await,
        7 => {
            if let Some(job) = any_sandbox(world) {
                world.facts(job).harmed = true;
                world.end(job, SandboxEnd::Lost);
            }
        }
        8 => {
            Orchestrator::kill(world);
            lose_power(world);
            restart(world, slots).await;
        }
        _ => {}
    }
}

async fn pull_the_plug(world: &Rc<World>, slots: usize) {
    Orchestrator::kill(world);
    restart(world, slots).await;
}

/// Starts it again, which may take more than one try.
async fn restart(world: &Rc<World>, slots: usize) {
    loop {
        let downtime = world.dice().u64(..1500);
        sleep(Duration::from_millis(downtime)).await;
        Orchestrator::start(world, slots);
        if world.dice().u8(..4) != 0 {
            return;
        }
        let uptime = world.dice().u64(..30);
        sleep(Duration::from_millis(uptime)).await;
        Orchestrator::kill(world);
    }
}

/// Nothing gets from a sandbox to its gateway for a while.
async fn cut_off(world: &Rc<World>) {
    let Some(job) = any_sandbox(world) else { return };
    world.cut_off.borrow_mut().insert(job);
    let while_ = world.dice().u64(..5000);
    sleep(Duration::from_millis(while_)).await;
    world.cut_off.borrow_mut().remove(&job);
}

/// The machine is off and on again: what ran is dead, what was not on the disk is gone.
fn lose_power(world: &Rc<World>) {
    for (job, _) in world.list() {
        world.end(job, SandboxEnd::Lost);
        if world.dice().bool() {
            world.sandboxes.borrow_mut().remove(&job);
        }
    }
    for row in world.rows.borrow_mut().values_mut() {
        if !row.state.status.is_final() {
            (row.facts.harmed, row.facts.settled) = (true, false);
        }
    }
    world.lose_power();
}

fn any_sandbox(world: &World) -> Option<JobId> {
    let all = world.list();
    let (job, _) = world.dice().choice(&all).copied()?;
    Some(job)
}
