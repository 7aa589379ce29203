//! `cagent run`: one task, from its text to its outcome.
//!
//! Not here: following it ([`live`]).

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use api::{Code, Job};
use tokio::signal::unix::SignalKind;
use types::{JobId, JobStatus};

use super::{Context, live, save, task};
use crate::args::{Format, RunArgs};
use crate::client::Refused;
use crate::place::Place;
use crate::progress::painter::Size;
use crate::progress::{report, view};
use crate::settings::{EngineName, Settings};
use crate::signals::{Signals, exit_code};
use crate::{complaint, output};

pub(super) async fn run(
    args: RunArgs,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let order = task::body(&args)?;
    let file = args.output.as_deref();
    file.map_or(Ok(()), check_output)?;
    let settings = with_engine(context.settings, args.engine);
    let place = Context { settings: &settings, ..context }.new_place().await?;
    let signals = Signals::listen()?;
    let key = args.idempotency_key.as_deref();
    let job = place.client().schedule(&order, &args.files, key).await;
    let job = job.map_err(|e| with_models(e, &place))?.job_id;
    see(place, job, file, signals, format).await
}

/// Shows a job to its end, saves its ZIP where one is wanted, and tells its outcome.
pub(super) async fn see(
    mut place: Place,
    job: JobId,
    file: Option<&Path>,
    signals: Signals,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let seen = live::follow(&mut place, job, signals, format).await?;
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
        if seen.left {
            return Ok(ExitCode::SUCCESS);
        }
        if job.resumable && !view::may_draw() {
            complaint::say(&format!("`cagent resume {}` goes on with it", job.job_id));
        }
    }
    Ok(outcome(&job, seen.signal))
}

/// A server of our own has the engine that its job asks for; the others too, for jobs that go on.
fn with_engine(settings: &Settings, wanted: Option<EngineName>) -> Settings {
    let mut settings = settings.clone();
    settings.engines.extend(wanted.filter(|wanted| !settings.engines.contains(wanted)));
    settings
}

/// Who set up a model and hears that there is none needs to know where it got lost.
fn with_models(error: anyhow::Error, place: &Place) -> anyhow::Error {
    match error.downcast_ref() {
        Some(Refused(problem)) if problem.code == Code::NoModel => {
            let lost = place.lost_models();
            if lost.is_empty() { error } else { anyhow!("{}\n{error}", lost.join("\n")) }
        }
        _ => error,
    }
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

fn report(job: &Job, saved: Option<&Path>, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(job),
        Format::Text if view::may_draw() => {
            let over = job.status.is_final().then(|| Size::now().columns);
            let rows = over.map(|columns| report::report(job, saved, columns)).unwrap_or_default();
            rows.iter().try_for_each(|row| output::line(&row.painted()))
        }
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
