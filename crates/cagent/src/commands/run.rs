//! `cagent run`: one task, from its text to its outcome.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use api::Job;
use serde_json::json;
use tokio::signal::unix::SignalKind;
use tokio::time::sleep;
use types::{EventKind, JobId, JobStatus};

use super::{Context, save};
use crate::args::{Format, RunArgs};
use crate::follow::{Follow, Next};
use crate::place::Place;
use crate::progress::Progress;
use crate::signals::{Signals, exit_code};
use crate::{complaint, limit, output};

/// How long a job may stay in the queue before we say so.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn run(
    args: RunArgs,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let prompt = read_task(&args.task)?;
    let file = args.output.as_deref();
    file.map_or(Ok(()), check_output)?;
    let mut place = context.place_with(&args.engine_args).await?;
    let signals = Signals::listen()?;
    let body = json!({
        "prompt": prompt,
        "mode": args.mode,
        "limits": limit::body(args.limits),
        "include_caches": args.include_caches,
    });
    let job = place.client().schedule(&body).await?.job_id;
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

/// A file, standard input, or the text itself.
fn read_task(task: &str) -> anyhow::Result<String> {
    if task == "-" {
        ensure!(!std::io::stdin().is_terminal(), "standard input is the terminal; pipe a task in");
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("read the task from standard input")?;
        return text_of(bytes, "standard input");
    }
    // Also what is no plain file: a shell's `<(...)` is a pipe.
    if let Ok(found) = std::fs::metadata(task) {
        ensure!(!found.is_dir(), "{task} is a directory; name the file with the task");
        let bytes = std::fs::read(task).with_context(|| format!("read the task {task}"))?;
        return text_of(bytes, task);
    }
    if !task.contains(char::is_whitespace) && task.ends_with(".md") {
        bail!("there is no file {task}");
    }
    Ok(task.into())
}

fn text_of(bytes: Vec<u8>, from: &str) -> anyhow::Result<String> {
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.with_context(|| format!("{from} holds no text (UTF-8); a task is Markdown"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_a_file_or_the_text_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.md");
        std::fs::write(&path, "from the file").unwrap();
        assert_eq!(read_task(path.to_str().unwrap()).unwrap(), "from the file");
        assert_eq!(read_task("make me a todo.md").unwrap(), "make me a todo.md");
        let missing = dir.path().join("missing.md");
        assert!(read_task(missing.to_str().unwrap()).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_task(path.to_str().unwrap()).unwrap_err().to_string().contains("no text"));
        std::fs::write(&path, b"PK\0").unwrap();
        assert!(read_task(path.to_str().unwrap()).is_err());
        let folder = read_task(dir.path().to_str().unwrap()).unwrap_err();
        assert!(folder.to_string().contains("is a directory"));
    }
}
