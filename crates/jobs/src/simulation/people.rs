//! What people want of a job: that it is done, that it stops, that it hears them, a look inside. A
//! call that is not answered is made again, as people do.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use protocol::{Dial, Target};
use store::{Draft, Durability};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use types::{EventKind, JobId, JobStatus, Speaker, Waiting};

use super::faults::Flaw;
use super::orchestrator::{Live, Orchestrator};
use super::plan::{Act, Plan};
use super::world::World;
use crate::{converse, inner};

/// One person and one job, until it is over.
pub(super) async fn want(world: Rc<World>, request: u64) {
    let later = world.dice().u64(..4000);
    sleep(Duration::from_millis(later)).await;
    let plan = Plan::any(&mut world.dice());
    let job = loop {
        let plan = plan.clone();
        match ask(&world, move |it| async move { it.schedule(request, plan).await }).await {
            Some(job) => break job,
            None => sleep(Duration::from_millis(50)).await,
        }
    };
    let mut patience =
        if plan.hangs() || world.dice().u8(..) < 50 { world.dice().u32(1..60) } else { u32::MAX };
    let talks = plan.acts.iter().any(|act| matches!(act, Act::Listen));
    while !world.state(job).status.is_final() {
        let pause = world.dice().u64(20..300);
        sleep(Duration::from_millis(pause)).await;
        patience = patience.saturating_sub(u32::from(patience != u32::MAX));
        let mood = world.dice().u8(..100);
        if patience == 0 {
            // One that is answered is not asked for again.
            patience = if cancel(&world, job).await { u32::MAX } else { 1 };
        } else if let Some(Waiting::Approval { step, .. }) = world.state(job).waiting {
            let approved = world.dice().bool();
            ask(&world, move |it| async move { it.decide(job, step, approved).await }).await;
        } else if mood < if talks { 40 } else { 5 } {
            ask(&world, move |it| async move { it.say(job).await }).await;
        } else if mood > 95 {
            ask(&world, move |it| async move { it.dial(job).await }).await;
        }
    }
}

async fn cancel(world: &Rc<World>, job: JobId) -> bool {
    let answer = ask(world, move |it| async move { it.cancel(job).await }).await;
    world.facts(job).cancelled |= answer == Some(true);
    answer.is_some()
}

/// Has the orchestrator do something, which it finishes though the client leaves; none if it is not
/// there, or dies before it answers.
async fn ask<R: 'static, F: Future<Output = Option<R>> + 'static>(
    world: &Rc<World>,
    what: impl FnOnce(Rc<Orchestrator>) -> F,
) -> Option<R> {
    let it = world.orchestrator.borrow().clone()?;
    let (answer, answered) = oneshot::channel();
    let (process, done) = (it.process.clone(), what(it));
    process.borrow_mut().spawn_local(async move { drop(answer.send(done.await)) });
    drop(process);
    let answer = answered.await.ok().flatten();
    if world.bad_luck(30) {
        world.plug.notify_one();
    }
    answer
}

impl Orchestrator {
    async fn schedule(self: Rc<Self>, request: u64, plan: Plan) -> Option<JobId> {
        let (job, new) = self.world.insert(request, plan).await;
        if new {
            self.live.borrow_mut().insert(job, Live::new());
            self.queue.borrow_mut().push(job);
            self.pump();
        }
        Some(job)
    }

    /// Whether the job ends or ended as cancelled.
    async fn cancel(self: Rc<Self>, job: JobId) -> Option<bool> {
        let (before, cancellation) =
            self.world.update(job, Durability::Full, inner::cancel).await?;
        if before == JobStatus::Scheduled {
            self.queue.borrow_mut().done(job);
            let this = self.clone();
            self.process.borrow_mut().spawn_local(async move { this.conclude(job).await });
        } else if let Some(live) = self.live.borrow().get(&job) {
            live.cancel.cancel();
        }
        Some(cancellation.cancelled)
    }

    async fn say(self: Rc<Self>, job: JobId) -> Option<u64> {
        let text = format!("word {}", self.world.number());
        let said = EventKind::Said { by: Speaker::Person, text };
        self.tell(job, |draft| {
            draft.append(Timestamp::UNIX_EPOCH, said);
            Ok(())
        })
        .await
    }

    async fn decide(self: Rc<Self>, job: JobId, step: u32, approved: bool) -> Option<u64> {
        let careless = self.world.has(Flaw::DecidesTwice);
        self.tell(job, move |draft| match careless {
            false => converse::decide(draft, step, approved, None),
            true => {
                let decided = EventKind::Decided { step, approved, reason: None };
                draft.append(Timestamp::UNIX_EPOCH, decided);
                Ok(())
            }
        })
        .await
    }

    async fn tell(
        &self,
        job: JobId,
        record: impl FnOnce(&mut Draft) -> Result<(), converse::TalkError>,
    ) -> Option<u64> {
        let change = |draft: &mut Draft| converse::hear(draft, record).ok();
        let seq = self.world.update(job, Durability::Full, change).await??;
        if let Some(live) = self.live.borrow().get(&job) {
            live.bell.send_replace(());
        }
        Some(seq)
    }

    /// Opens a connection into the sandbox.
    async fn dial(self: Rc<Self>, job: JobId) -> Option<()> {
        let gateway = self.gateway(job)?;
        let n = self.world.number();
        gateway.orders.send_modify(|orders| orders.dial(Dial { n, to: Target::Desktop }));
        let mut arrived = gateway.arrived.subscribe();
        let came = arrived.wait_for(|arrived| arrived.contains(&n));
        let patience = Duration::from_secs(30);
        let came = gateway.closing.run_until_cancelled(timeout(patience, came)).await;
        gateway.orders.send_modify(|orders| orders.take_back(n));
        if let Some(Err(_)) = came {
            self.world.is_wrong("a connection into a sandbox was asked for and never came");
        }
        Some(())
    }
}
