//! One task for each sandbox that was started: it waits for the container's end, ends it when its
//! time is over or its workspace too large, and keeps the bridge open. It ends with the engine; the
//! next one begins it again.

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerState;
use bollard::query_parameters::KillContainerOptionsBuilder;
use engine::{Ended, SandboxEnd};
use futures_util::StreamExt;
use protocol::Watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::daemon::{is_gone, status};
use crate::measure::{self, Verdict};
use crate::sandbox::Sandbox;
use crate::{bridge, fetch, usage};

/// How long a daemon may be away until its sandboxes count as lost. One that is upgraded takes less.
const AWAY_PATIENCE: Duration = Duration::from_secs(120);

/// How long silence is believed, while a container runs and when the daemon is asked: a connection can
/// die without a word, and a daemon can take calls that it never answers.
const SILENCE: Duration = Duration::from_secs(30);

/// Pauses between questions to a daemon that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// When what a sandbox uses is first looked at, and how often then. Docker itself looks once a second:
/// asked earlier, it has more to do while a container starts, and nothing to say.
const FIRST_USAGE: Duration = Duration::from_secs(1);
const USAGE_PAUSE: Duration = Duration::from_secs(5);

/// How a container was found to have ended.
#[derive(Clone, Copy, Debug)]
enum Exit {
    Code(i32),
    /// Nobody knows.
    Lost,
}

/// Watches a container to its end and tells everybody who waits.
pub(crate) async fn watch(docker: Docker, sandbox: Arc<Sandbox>, deadline: Instant) {
    let exit = tokio::select! {
        exit = exit(&docker, &sandbox.name) => exit,
        never = wall(&docker, &sandbox, deadline) => match never {},
        never = disk(&docker, &sandbox) => match never {},
        never = look(&docker, &sandbox) => match never {},
        never = bridged(&docker, &sandbox) => match never {},
    };
    sandbox.die();
    let ended = conclude(&docker, &sandbox, exit).await;
    sandbox.end(ended);
}

async fn conclude(docker: &Docker, sandbox: &Sandbox, exit: Exit) -> Ended {
    let is_there = matches!(exit, Exit::Code(_));
    let oom_killed = async {
        if !is_there {
            return None;
        }
        docker.inspect_container(&sandbox.name, None).await.ok()?.state?.oom_killed
    };
    let kept = async {
        match sandbox.bridged {
            _ if sandbox.is_discarded() => None,
            true if is_there => fetch::keep_result(docker, sandbox).await,
            true => None,
            false => measured(sandbox).await,
        }
    };
    let (oom_killed, kept) = tokio::join!(oom_killed, kept);
    sandbox.note_disk(kept);
    let full = kept > Some(sandbox.disk_bytes);
    let end = match (exit, sandbox.folder.intent()) {
        // Of a volume that held too much not everything was fetched: no result is whole then.
        (_, Some(SandboxEnd::Stopped)) if full && sandbox.bridged => SandboxEnd::DiskQuota,
        (_, Some(intent)) => intent,
        (Exit::Lost, None) => SandboxEnd::Lost,
        (Exit::Code(_), None) if full => SandboxEnd::DiskQuota,
        (Exit::Code(code), None) => SandboxEnd::Exited { code },
    };
    let mut usage = sandbox.used();
    usage.oom_kills = oom_killed.map(u64::from);
    Ended { end, usage, disk_full: full || end == SandboxEnd::DiskQuota, disk_lost: false }
}

/// Kills everything inside. No error if it has ended.
pub(crate) async fn kill(docker: &Docker, name: &str) -> Result<(), Error> {
    let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    match docker.kill_container(name, Some(options)).await {
        Err(e) if is_gone(&e) || matches!(status(&e), Some(409)) => Ok(()),
        other => other,
    }
}

/// Ends it for this reason, however often the daemon has to be told.
async fn end(docker: &Docker, sandbox: &Sandbox, why: SandboxEnd) -> Infallible {
    if let Err(e) = sandbox.folder.note_intent(why) {
        tracing::warn!(job = %sandbox.job, "could not note why a sandbox is ended: {e}");
    }
    sandbox.begin_end();
    loop {
        if let Err(e) = kill(docker, &sandbox.name).await {
            tracing::warn!(job = %sandbox.job, "could not end a sandbox, it is tried again: {e}");
        }
        sleep(LAST_PAUSE).await;
    }
}

async fn wall(docker: &Docker, sandbox: &Sandbox, deadline: Instant) -> Infallible {
    sleep_until(deadline).await;
    end(docker, sandbox, SandboxEnd::WallTime).await
}

async fn look(docker: &Docker, sandbox: &Sandbox) -> Infallible {
    sleep(FIRST_USAGE).await;
    loop {
        sandbox.note_use(usage::look(docker, &sandbox.name).await);
        sleep(USAGE_PAUSE).await;
    }
}

async fn bridged(docker: &Docker, sandbox: &Sandbox) -> Infallible {
    if sandbox.bridged {
        return bridge::keep(docker, &sandbox.name, &sandbox.folder.gateway()).await;
    }
    std::future::pending().await
}

async fn disk(docker: &Docker, sandbox: &Sandbox) -> Infallible {
    let why = if !sandbox.bridged {
        over(sandbox).await;
        SandboxEnd::DiskQuota
    } else {
        match measure::watch(docker, sandbox).await {
            Verdict::TooMuch => SandboxEnd::DiskQuota,
            Verdict::Unknown => SandboxEnd::DiskUnknown,
        }
    };
    end(docker, sandbox, why).await
}

/// Returns when the workspace that we see holds too much.
async fn over(sandbox: &Sandbox) {
    let Some(mut watch) = watch_of(sandbox) else { return std::future::pending().await };
    loop {
        sleep(watch.timeout()).await;
        let looked = tokio::task::spawn_blocking(move || {
            let over = watch.look();
            (watch, over)
        });
        let Ok((next, is_over)) = looked.await else { return std::future::pending().await };
        watch = next;
        sandbox.note_disk(watch.last());
        if is_over {
            return;
        }
    }
}

async fn measured(sandbox: &Sandbox) -> Option<u64> {
    let watch = watch_of(sandbox)?;
    tokio::task::spawn_blocking(move || watch.finish()).await.ok().flatten()
}

fn watch_of(sandbox: &Sandbox) -> Option<Watch> {
    let root = File::open(sandbox.folder.workspace()).ok()?;
    Some(Watch::new(root.into(), sandbox.disk_bytes))
}

/// Waits for a container's end, also across restarts of the daemon.
async fn exit(docker: &Docker, name: &str) -> Exit {
    let mut heard = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match timeout(SILENCE, docker.wait_container(name, None).next()).await {
            Ok(Some(Ok(answer))) => return Exit::Code(code(answer.status_code)),
            Ok(Some(Err(Error::DockerContainerWaitError { code: found, .. }))) => {
                return Exit::Code(code(found));
            }
            Ok(Some(Err(e))) if is_gone(&e) => return Exit::Lost,
            // It goes away, or comes, or its answer was cut off.
            _ => {}
        }
        match timeout(SILENCE, docker.inspect_container(name, None)).await {
            Ok(Ok(found)) => match found.state.as_ref().and_then(ended_with) {
                Some(code) => return Exit::Code(code),
                None => (heard, pause) = (Instant::now(), FIRST_PAUSE),
            },
            Ok(Err(e)) if is_gone(&e) => return Exit::Lost,
            // It is there, and busy with this container: somebody copies files of it.
            Err(_) if answers(docker).await => heard = Instant::now(),
            _ if heard.elapsed() > AWAY_PATIENCE => return Exit::Lost,
            _ => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn answers(docker: &Docker) -> bool {
    matches!(timeout(SILENCE, docker.ping()).await, Ok(Ok(_)))
}

fn ended_with(state: &ContainerState) -> Option<i32> {
    let over = state.running == Some(false) && state.restarting != Some(true);
    over.then(|| code(state.exit_code.unwrap_or(-1)))
}

fn code(code: i64) -> i32 {
    i32::try_from(code).unwrap_or(-1)
}
