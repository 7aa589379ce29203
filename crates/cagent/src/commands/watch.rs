//! `cagent watch`: all jobs, and one of them, on the whole screen.

use std::future::pending;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use reqwest::Response;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use types::JobId;

use super::{ask, save};
use crate::args::WatchArgs;
use crate::client::Client;
use crate::complaint;
use crate::follow::{Follow, Next};
use crate::place::Place;
use crate::screen::{Screen, State, Wish, typed};
use crate::signals::{Signals, exit_code};
use tokio::signal::unix::SignalKind;

/// How often keys are looked for: nobody notices.
const KEYS: Duration = Duration::from_millis(40);

/// How often what counts seconds is drawn anew.
const SECOND: u32 = 5;

/// The most jobs of the list.
const MOST: Option<NonZeroU32> = NonZeroU32::new(500);

/// The least time between two looks at the list.
const REST: Duration = Duration::from_millis(200);

/// The same where nothing says that it has changed: of a server that is older, or away.
const POLL: Duration = Duration::from_secs(2);

/// The same where it would have said so.
const QUIET: Duration = Duration::from_secs(30);

pub(super) async fn watch(mut place: Place, args: &WatchArgs) -> anyhow::Result<ExitCode> {
    ensure!(ask::somebody(), "watch needs a terminal; `cagent ps` and `cagent logs -f JOB` do not");
    let job = match &args.job {
        Some(job) => Some(job.id(place.client()).await?),
        None => None,
    };
    let signals = Signals::listen()?;
    let code = show(&mut place, job, signals).await;
    place.close().await;
    code
}

async fn show(
    place: &mut Place,
    job: Option<JobId>,
    mut signals: Signals,
) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::begin()?;
    let mut state = State::with(job);
    let mut events = job.map(Follow::new);
    let mut list = List::new();
    let mut ticks = interval(KEYS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since: u32 = 0;
    loop {
        tokio::select! {
            kind = signals.recv() => {
                let quit = kind == SignalKind::interrupt();
                return Ok(if quit { ExitCode::SUCCESS } else { ExitCode::from(exit_code(kind)) });
            }
            next = next(&mut events, place) => match next {
                Ok(Next::Event(event)) => state.event(&event),
                Ok(Next::End) => events = None,
                Ok(Next::Lost) => place.again().await?,
                Err(error) => {
                    state.said = complaint::of(&error);
                    events = None;
                }
            },
            () = list.changed() => match list.read(place.client()).await {
                Ok(jobs) => {
                    state.list(jobs);
                    screen.draw(&state)?;
                }
                Err(error) => state.said = complaint::of(&error),
            },
            _ = ticks.tick() => {
                let (keys, resized) = typed()?;
                since += 1;
                if keys.is_empty() && !resized && since < SECOND {
                    continue;
                }
                since = 0;
                for key in keys {
                    match state.key(key) {
                        None => {}
                        Some(Wish::Leave) => return Ok(ExitCode::SUCCESS),
                        Some(Wish::Follow(job)) => events = Some(Follow::new(job)),
                        Some(Wish::Unfollow) => events = None,
                        Some(wish) => state.said = done(place.client(), wish).await,
                    }
                }
                screen.draw(&state)?;
            }
        }
    }
}

async fn next(events: &mut Option<Follow>, place: &Place) -> anyhow::Result<Next> {
    match events {
        Some(events) => events.try_next(place).await,
        None => pending().await,
    }
}

/// Does what somebody wants; what came of it.
async fn done(client: &Client, wish: Wish) -> String {
    match try_do(client, wish).await {
        Ok(said) => said,
        Err(error) => complaint::of(&error),
    }
}

async fn try_do(client: &Client, wish: Wish) -> anyhow::Result<String> {
    Ok(match wish {
        Wish::Leave | Wish::Follow(_) | Wish::Unfollow => String::new(),
        Wish::Cancel(job) => {
            client.cancel(job).await?;
            "cancelling".into()
        }
        Wish::Say(job, text) => {
            client.say(job, &text).await?;
            "said; the agent hears it at its next turn".into()
        }
        Wish::Approve(job, step) => {
            client.decide(job, step, None).await?;
            format!("approved step {step}")
        }
        Wish::Reject(job, step, why) => {
            client.decide(job, step, Some(&why)).await?;
            format!("rejected step {step}")
        }
        Wish::Download(job) => {
            let file = std::env::current_dir()?.join(PathBuf::from(format!("{job}.zip")));
            let bytes = save::save_new(client.zip(job).await?, &file).await?;
            format!("{}, {}", file.display(), crate::text::size(bytes))
        }
        Wish::Desktop(job) => client.ticket(job, "control", None).await?.url,
    })
}

/// When the list has to be read again.
struct List {
    bell: Option<Response>,
    /// Not before.
    rests: Instant,
    /// If nothing rings before.
    due: Instant,
}

impl List {
    fn new() -> Self {
        let now = Instant::now();
        Self { bell: None, rests: now, due: now }
    }

    /// May be dropped while it waits.
    async fn changed(&mut self) {
        sleep_until(self.rests).await;
        loop {
            let rung = async {
                match &mut self.bell {
                    Some(bell) => bell.chunk().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = sleep_until(self.due) => return,
                rung = rung => match rung {
                    // A comment keeps the connection alive.
                    Ok(Some(chunk)) if chunk.starts_with(b":") => {}
                    Ok(Some(_)) => return,
                    _ => self.bell = None,
                },
            }
        }
    }

    async fn read(&mut self, client: &Client) -> anyhow::Result<Vec<api::JobSummary>> {
        if self.bell.is_none() {
            self.bell = client.bell().await.ok();
        }
        let now = Instant::now();
        let due = if self.bell.is_some() { QUIET } else { POLL };
        (self.rests, self.due) = (now + REST, now + due);
        Ok(client.jobs_in(&[], MOST).await?.jobs)
    }
}
