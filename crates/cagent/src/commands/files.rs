//! `cagent files`.

use std::process::ExitCode;

use api::{FileEntry, FileKind};

use crate::args::{FilesArgs, Format};
use crate::place::Place;
use crate::{complaint, output, text};

pub(super) async fn files(
    place: Place,
    args: &FilesArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let job = args.job.id(place.client()).await?;
    place.say_if_nobody_runs([place.client().job(job).await?.status]);
    let list = place.client().files(job, &args.path).await?;
    place.close().await;
    match format {
        Format::Json => output::json(&list)?,
        Format::Text => {
            let rows: Vec<_> = list.entries.iter().map(row).collect();
            output::table(["SIZE", "MODIFIED", "NAME"], &rows)?;
            if list.more > 0 {
                complaint::say(&format!("{} more are not listed", list.more));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Marked as `ls -F` does.
fn row(entry: &FileEntry) -> [String; 3] {
    let (size, mark) = match entry.kind {
        FileKind::File => (text::size(entry.bytes), ""),
        FileKind::Directory => (String::new(), "/"),
        FileKind::Link => (String::new(), "@"),
        FileKind::Other => (String::new(), "?"),
    };
    [size, format!("{:.0}", entry.modified), format!("{}{mark}", text::one_line(&entry.name))]
}
