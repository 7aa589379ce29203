//! Does to the server what the plan says, and lets it recover.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};
use types::JobId;

use crate::load::Load;
use crate::plan::{Fault, Strike};
use crate::processes::{self, Helper};
use crate::site::Site;
use crate::strace::Strace;

/// How long jobs are waited for, before what comes next comes without them.
const JOBS: Duration = Duration::from_secs(10);

/// What was done, as far as it excuses how a job ended.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) kills: u32,
    pub(crate) others: u32,
    /// Jobs whose sandbox was struck.
    pub(crate) struck: BTreeSet<JobId>,
    /// When the disk was full.
    pub(crate) full: Vec<(Instant, Instant)>,
    /// When the Docker daemon was away.
    pub(crate) away: Vec<(Timestamp, Timestamp)>,
}

/// One strike after the other.
///
/// # Errors
/// When the server does not survive what it should, or does not come back.
pub(crate) async fn all(
    site: &mut Site,
    load: &Load,
    plan: &[Strike],
    done: &mut Done,
    say: impl Fn(&str),
) -> anyhow::Result<()> {
    for (n, strike) in (1..).zip(plan) {
        // Whatever happens to the load, the plan goes on.
        let _ = timeout(JOBS, load.until_accepted(load.accepted() + strike.jobs)).await;
        sleep(Duration::from_millis(strike.millis)).await;
        let died = site.orchestrator.died();
        anyhow::ensure!(died.is_none(), "the server ended by itself before strike {n}: {died:?}");
        let hit =
            one(site, strike, done).await.with_context(|| format!("strike {n}, {strike:?}"))?;
        say(&format!("{n}/{} {:?}: {hit}", plan.len(), strike.fault));
        if strike.fault.kills() { done.kills += 1 } else { done.others += 1 }
    }
    Ok(())
}

/// What it hit, for people.
async fn one(site: &mut Site, strike: &Strike, done: &mut Done) -> anyhow::Result<String> {
    let lasts = Duration::from_millis(strike.lasts);
    match strike.fault {
        Fault::Kill => kill(site, lasts, "somewhere".into()).await,
        Fault::Moment => at_moment(site, strike, lasts).await,
        Fault::Start => starting(site, lasts).await,
        Fault::Agent => Ok(agent(site, strike, done)),
        Fault::Helper => Ok(helper(site, strike, done)),
        Fault::PauseHelper => Ok(pause_helper(site, strike).await),
        Fault::Pause => pause(site, lasts).await,
        Fault::Socket => Ok(socket(site, strike)),
        Fault::Disk => fill(site, lasts, done).await,
        Fault::Io => io(site, lasts).await,
        Fault::Daemon => daemon(site, lasts, done),
    }
}

async fn kill(site: &mut Site, lasts: Duration, hit: String) -> anyhow::Result<String> {
    site.orchestrator.kill().await?;
    sleep(lasts).await;
    site.orchestrator.start().await?;
    Ok(hit)
}

async fn at_moment(site: &mut Site, strike: &Strike, lasts: Duration) -> anyhow::Result<String> {
    let Strike { moment, nth, .. } = strike;
    let pid = site.orchestrator.pid()?;
    let mut strace = Strace::hold(pid, &site.data, moment, *nth).await?;
    let held = if strace.held().await { "held" } else { "not reached" };
    site.orchestrator.signal(Signal::KILL)?;
    strace.abandon().await?;
    kill(site, lasts, format!("{} {nth}: {} ({held})", moment.call, moment.what)).await
}

/// Killed once more before it has found everything again.
async fn starting(site: &mut Site, lasts: Duration) -> anyhow::Result<String> {
    site.orchestrator.kill().await?;
    site.orchestrator.spawn()?;
    kill_after(site, lasts).await?;
    site.orchestrator.start().await?;
    Ok(format!("{lasts:?} after its start"))
}

async fn kill_after(site: &mut Site, time: Duration) -> anyhow::Result<()> {
    sleep(time).await;
    site.orchestrator.kill().await
}

fn helper(site: &Site, strike: &Strike, done: &mut Done) -> String {
    let Some(Helper { pid, job }) = victim(site, strike) else { return "no sandbox".into() };
    done.struck.insert(job);
    let _ = kill_process(pid, Signal::KILL);
    format!("job {job}")
}

/// That of a container, every other time, where there is one.
fn agent(site: &Site, strike: &Strike, done: &mut Done) -> String {
    if strike.nth.is_multiple_of(2)
        && let Some(job) = site.kill_container(strike.nth)
    {
        done.struck.insert(job);
        return format!("job {job}, a container");
    }
    let victim = victim(site, strike);
    let Some((agent, job)) = victim.and_then(|h| Some((processes::agent(h)?, h.job))) else {
        return "no sandbox".into();
    };
    done.struck.insert(job);
    let _ = kill_process(agent, Signal::KILL);
    format!("job {job}")
}

async fn pause_helper(site: &Site, strike: &Strike) -> String {
    let Some(Helper { pid, job }) = victim(site, strike) else { return "no sandbox".into() };
    let _ = kill_process(pid, Signal::STOP);
    sleep(Duration::from_millis(strike.lasts)).await;
    let _ = kill_process(pid, Signal::CONT);
    format!("job {job}")
}

async fn pause(site: &Site, lasts: Duration) -> anyhow::Result<String> {
    site.orchestrator.signal(Signal::STOP)?;
    sleep(lasts).await;
    site.orchestrator.signal(Signal::CONT)?;
    Ok(format!("{lasts:?}"))
}

fn socket(site: &Site, strike: &Strike) -> String {
    let Some(Helper { job, .. }) = victim(site, strike) else { return "no sandbox".into() };
    let dir = site.data.join(format!("sandboxes/{job}/gateway"));
    let sockets = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let removed = sockets.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count();
    format!("job {job}: {removed} removed")
}

async fn fill(site: &Site, lasts: Duration, done: &mut Done) -> anyhow::Result<String> {
    let disk = site.disk.as_ref().context("a disk of our own")?;
    let begun = Instant::now();
    let ballast = disk.fill()?;
    sleep(lasts).await;
    drop(ballast);
    done.full.push((begun, Instant::now()));
    Ok(format!("{lasts:?}"))
}

async fn io(site: &Site, lasts: Duration) -> anyhow::Result<String> {
    let strace = Strace::fail(site.orchestrator.pid()?, &site.data).await?;
    sleep(lasts).await;
    strace.detach().await?;
    Ok(format!("{lasts:?}"))
}

fn daemon(site: &mut Site, lasts: Duration, done: &mut Done) -> anyhow::Result<String> {
    let own = site.daemon.as_mut().context("a daemon of our own")?;
    let killed = Timestamp::now();
    tokio::task::block_in_place(|| {
        own.kill();
        std::thread::sleep(lasts);
        own.start_again();
    });
    done.away.push((killed, Timestamp::now()));
    Ok(format!("{lasts:?}"))
}

/// One of the sandboxes that live.
fn victim(site: &Site, strike: &Strike) -> Option<Helper> {
    let helpers = processes::helpers(&site.data);
    let nth = usize::try_from(strike.nth).ok()?.checked_rem(helpers.len())?;
    helpers.get(nth).copied()
}
