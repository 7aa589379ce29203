//! `cagent logs`.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use reqwest::Response;
use types::{EventKind, Stream};

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
    match format {
        Format::Text if args.follow => follow(&mut place, args, stream).await?,
        Format::Text => print(place.client().log_file(args.job, stream).await?).await?,
        Format::Json => {
            if args.follow {
                let mut events = Follow::new(args.job);
                while events.next(&mut place).await?.is_some() {}
            }
            output::json(&place.client().logs(args.job, stream).await?)?;
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What comes is text already; bytes that were none are replaced.
async fn follow(place: &mut Place, args: &LogsArgs, wanted: Stream) -> anyhow::Result<()> {
    let mut events = Follow::new(args.job);
    while let Some(event) = events.next(place).await? {
        if let EventKind::Output { stream, text: Some(text), .. } = event.event
            && stream == wanted
        {
            show(text.as_bytes())?;
        }
    }
    if place.only_looks() {
        let job = place.client().job(args.job).await?;
        if !job.status.is_final() {
            tracing::warn!(
                "the job is {} and no server runs; `cagent serve` goes on with it",
                job.status
            );
        }
    }
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
