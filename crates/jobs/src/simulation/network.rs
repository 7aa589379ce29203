//! What is between a sandbox and its gateway: calls are late, lost, cut off before they are answered,
//! or overtaken by their own repeats. Of a call that was cut off the gateway knows later, if it does:
//! what it began then goes on, or is dropped in the midst.

use std::rc::Rc;
use std::time::Duration;

use ::gateway::SinkError;
use protocol::ClientError;
use tokio::sync::oneshot;
use tokio::time::sleep;
use types::JobId;

use super::gateway::Gateway;
use super::world::World;

/// One call of a sandbox. `handle` is what the orchestrator does about it.
pub(super) async fn call<A: 'static>(
    world: &Rc<World>,
    job: JobId,
    handle: impl AsyncFnOnce(Rc<Gateway>) -> Result<A, SinkError> + 'static,
) -> Result<A, ClientError> {
    world.delay().await;
    let gateway = connect(world, job)?;
    if world.bad_luck(60) {
        return Err(broken());
    }
    let (answer, answered) = oneshot::channel();
    let cut = world.bad_luck(15);
    let late = if cut { world.dice().bool() } else { world.bad_luck(15) };
    let (there, process) = (world.clone(), gateway.process.clone());
    let handled = process.borrow_mut().spawn_local(async move {
        there.delay().await;
        if late {
            let behind = Duration::from_millis(there.dice().u64(..200));
            sleep(behind).await;
        }
        let done = gateway.closing.run_until_cancelled(handle(gateway.clone())).await;
        there.delay().await;
        drop(answer.send(done));
    });
    if cut {
        let sent = Duration::from_millis(world.dice().u64(..10));
        sleep(sent).await;
        let (there, notices) = (world.clone(), world.dice().bool());
        process.borrow_mut().spawn_local(async move {
            there.delay().await;
            if notices {
                handled.abort();
            }
        });
        return Err(broken());
    }
    match answered.await.ok().flatten() {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(SinkError::Unavailable(_))) | None => Err(broken()),
        Some(Err(SinkError::Refused(why))) => {
            Err(ClientError::Answer(serde::de::Error::custom(why)))
        }
    }
}

/// The gateway that listens now.
fn connect(world: &World, job: JobId) -> Result<Rc<Gateway>, ClientError> {
    if world.cut_off.borrow().contains(&job) {
        return Err(broken());
    }
    world.gateways.borrow().get(&job).cloned().ok_or_else(broken)
}

fn broken() -> ClientError {
    ClientError::Transport("the connection broke".into())
}
