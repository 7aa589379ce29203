//! `cagent run`: one task, from its text to its outcome.

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use api::Job;
use tokio::signal::unix::SignalKind;
use tokio::task::JoinSet;
use tokio::time::sleep;
use types::{EventKind, JobId, JobStatus};

use super::{Context, ask, save, task};
use crate::args::{Format, RunArgs};
use crate::follow::{Follow, Next};
use crate::place::Place;
use crate::progress::Progress;
use crate::signals::{Signals, exit_code};
use crate::{complaint, output};

/// How long a job may stay in the queue before we say so.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn run(
    args: RunArgs,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let order = task::body(&args)?;
    let file = args.output.as_deref();
    file.map_or(Ok(()), check_output)?;
    let mut place = context.new_place().await?;
    let signals = Signals::listen()?;
    let key = args.idempotency_key.as_deref();
    let job = place.client().schedule(&order, &args.files, key).await?.job_id;
    let seen = follow(&mut place, job, signals, format).await?;
    let job = place.client().job(job).await?;
    let saved = match file {
        Some(file) if seen.ended => save_zip(&place, &job, file).await,
        _ => Ok(()),
    };
    place.close().await;
    saved?;
    // Nobody is there to read it once the terminal is gone.
    if seen.signal != Some(SignalKind::hangup()) {
        report(&job, file, format)?;
    }
    Ok(outcome(&job, seen.signal))
}

/// Before a job is given that may take an hour.
fn check_output(file: &Path) -> anyhow::Result<()> {
    let is_stdout = file == Path::new("-");
    ensure!(!is_stdout, "the ZIP cannot go where the progress goes; use `cagent download` for it");
    save::check(file)
}

async fn save_zip(place: &Place, job: &Job, file: &Path) -> anyhow::Result<()> {
    if job.output.is_none() {
        return Ok(());
    }
    let saved = save::save(place.client().zip(job.job_id).await?, file).await;
    let (id, status) = (job.job_id, job.status);
    saved.map(drop).with_context(|| {
        format!("the job is over ({status}), `cagent download {id}` gets its ZIP; it was not saved")
    })
}

/// How following a job ended.
#[derive(Debug)]
struct Seen {
    /// Whether the job is over, as far as we know.
    ended: bool,
    /// Why it was cancelled, if by us.
    signal: Option<SignalKind>,
}

/// Shows a job's events until it ends. Ctrl-C and the like cancel the job, which then ends in good
/// order; a second one leaves it to itself.
async fn follow(
    place: &mut Place,
    job: JobId,
    mut signals: Signals,
    format: Format,
) -> anyhow::Result<Seen> {
    let mut progress = match format {
        Format::Text => Some(Progress::begin(anstream::stdout(), job)?),
        Format::Json => None,
    };
    let mut events = Follow::new(job);
    let mut patience = pin!(sleep(QUEUE_PATIENCE));
    let (mut signal, mut told, mut queued) = (None, false, true);
    let mut questions: JoinSet<Option<(u32, ask::Answer)>> = JoinSet::new();
    loop {
        if signal.is_some() && !told {
            // A server that is away just now is told when it is found again.
            told = place.client().cancel(job).await.is_ok();
        }
        let next = tokio::select! {
            next = events.try_next(place) => next?,
            kind = signals.recv() => {
                // The loss of a terminal is told more than once, and nobody reads any more.
                if kind == SignalKind::hangup() {
                    progress = None;
                } else if signal.is_some() {
                    complaint::say("left; the job is still being cancelled");
                    return Ok(Seen { ended: false, signal });
                }
                signal.get_or_insert(kind);
                continue;
            }
            Some(Ok(Some((step, answer)))) = questions.join_next() => {
                // It may have been decided elsewhere meanwhile; then the event says so.
                if let Err(e) = place.client().decide(job, step, answer.as_deref()).await {
                    complaint::say(&complaint::of(&e));
                }
                continue;
            }
            () = &mut patience, if queued => {
                queued = false;
                progress.as_mut().map_or(Ok(()), Progress::waiting)?;
                continue;
            }
        };
        match next {
            Next::Event(event) => {
                queued &= matches!(event.event, EventKind::Scheduled { .. });
                progress.as_mut().map_or(Ok(()), |progress| progress.event(&event))?;
                if let EventKind::Waiting { waiting } = event.event
                    && progress.is_some()
                    && ask::somebody()
                {
                    questions.spawn(ask::about(waiting));
                }
            }
            Next::Lost => place.again().await?,
            Next::End => return Ok(Seen { ended: true, signal }),
        }
    }
}

fn report(job: &Job, saved: Option<&Path>, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(job),
        Format::Text => match (&job.output, saved) {
            (None, _) => Ok(()),
            (Some(_), Some(file)) => output::line(&file.display().to_string()),
            (Some(path), None) => output::line(path),
        },
    }
}

/// 0 for a job that did what it should, else the exit code of the step that failed where a shell
/// has room for it; a job that was cancelled counts as what a shell makes of the signal.
fn outcome(job: &Job, signal: Option<SignalKind>) -> ExitCode {
    match job.status {
        JobStatus::Complete => ExitCode::SUCCESS,
        JobStatus::Error => {
            let code = job.exit_code.and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.filter(|code| (1..=125).contains(code)).unwrap_or(1))
        }
        _ => ExitCode::from(exit_code(signal.unwrap_or(SignalKind::interrupt()))),
    }
}
