//! `cagent logs`.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use reqwest::Response;
use types::{EventKind, JobId, Stream};

use crate::args::{Format, LogsArgs};
use crate::follow::Follow;
use crate::place::Place;
use crate::{output, text};

pub(super) async fn logs(
    mut place: Place,
    args: &LogsArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let stream = if args.stderr { Stream::Stderr } else { Stream::Stdout };
    let job = args.job.id(place.client()).await?;
    match format {
        Format::Text if args.follow => follow(&mut place, job, Some(stream)).await?,
        Format::Text => print(place.client().log_file(job, stream).await?).await?,
        Format::Json => {
            if args.follow {
                follow(&mut place, job, None).await?;
            }
            output::json(&place.client().logs(job, stream).await?)?;
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the job's end and prints what it writes meanwhile to the stream that is shown. What
/// comes is text already; bytes that were none are replaced.
async fn follow(place: &mut Place, job: JobId, shown: Option<Stream>) -> anyhow::Result<()> {
    let mut events = Follow::new(job);
    while let Some(event) = events.next(place).await? {
        if let EventKind::Output { stream, text: Some(text), .. } = event.event
            && Some(stream) == shown
        {
            show(text.as_bytes())?;
        }
    }
    place.say_if_nobody_runs([place.client().job(job).await?.status]);
    Ok(())
}

async fn print(mut body: Response) -> anyhow::Result<()> {
    while let Some(chunk) = body.chunk().await? {
        show(&chunk)?;
    }
    Ok(())
}

/// Byte for byte into a pipe; as text that commands nothing onto a terminal.
fn show(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        out.write_all(text::plain(&String::from_utf8_lossy(bytes)).as_bytes())?;
    } else {
        out.write_all(bytes)?;
    }
    out.flush()
}
