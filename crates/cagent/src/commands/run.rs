//! `cagent run`: one task, from its text to its outcome.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use api::Job;
use tokio::signal::unix::{SignalKind, signal};
use types::{JobId, JobStatus};

use super::{Context, save};
use crate::args::{Format, RunArgs};
use crate::follow::{Follow, Next};
use crate::output;
use crate::place::Place;
use crate::progress::Progress;

/// What a shell reports for a program that was ended by Ctrl-C.
const EXIT_CANCELLED: u8 = 130;

pub(super) async fn run(
    args: RunArgs,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let prompt = read_task(&args.task)?;
    let mut place = context.place_with(&args.engine_args).await?;
    let scheduled = place.client().schedule(&prompt, args.mode).await?;
    let ended = follow(&mut place, scheduled.job_id, format).await?;
    let job = place.client().job(scheduled.job_id).await?;
    if ended && let (Some(file), Some(_)) = (&args.output, &job.output) {
        save::save(place.client().zip(job.job_id).await?, file).await?;
    }
    place.close().await;
    report(&job, args.output.as_deref(), format)?;
    Ok(outcome(&job))
}

/// A file, standard input, or the text itself.
fn read_task(task: &str) -> anyhow::Result<String> {
    if task == "-" {
        ensure!(!std::io::stdin().is_terminal(), "standard input is the terminal; pipe a task in");
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read the task from standard input")?;
        return Ok(text);
    }
    // Also what is no plain file: a shell's `<(...)` is a pipe.
    if std::fs::metadata(task).is_ok_and(|found| !found.is_dir()) {
        return std::fs::read_to_string(task).with_context(|| format!("read the task {task}"));
    }
    if !task.contains(char::is_whitespace) && task.ends_with(".md") {
        bail!("there is no file {task}");
    }
    Ok(task.into())
}

/// Shows a job's events until it ends. Ctrl-C cancels the job, which then ends in good order; a
/// second one leaves it to itself. Returns whether the end was seen.
async fn follow(place: &mut Place, job: JobId, format: Format) -> anyhow::Result<bool> {
    let mut progress = match format {
        Format::Text => Some(Progress::begin(anstream::stdout(), job)?),
        Format::Json => None,
    };
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut events = Follow::new(job);
    let (mut interrupts, mut told) = (0, false);
    loop {
        if interrupts > 0 && !told {
            // A server that is away just now is told when it is found again.
            told = place.client().cancel(job).await.is_ok();
        }
        let next = tokio::select! {
            next = events.try_next(place) => next?,
            _ = interrupt.recv() => {
                interrupts += 1;
                if interrupts > 1 { return Ok(false) } else { continue }
            }
        };
        match (next, &mut progress) {
            (Next::Event(event), Some(progress)) => progress.event(&event)?,
            (Next::Event(_), None) => {}
            (Next::Lost, _) => place.again().await?,
            (Next::End, _) => return Ok(true),
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
/// has room for it.
fn outcome(job: &Job) -> ExitCode {
    match job.status {
        JobStatus::Complete => ExitCode::SUCCESS,
        JobStatus::Error => {
            let code = job.exit_code.and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.filter(|code| (1..=125).contains(code)).unwrap_or(1))
        }
        _ => ExitCode::from(EXIT_CANCELLED),
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
        assert!(read_task(path.to_str().unwrap()).is_err());
    }
}
