//! `cagent diff`: which files a job made, changed and removed.
//!
//! Nobody keeps what a workspace held at first. What can be known is what a job resumed, and what
//! whoever asks has here: `--base`. Without either, all that is there was made by the job or given
//! with it.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use similar::TextDiff;
use types::JobId;

use crate::args::{DiffArgs, Format};
use crate::client::Client;
use crate::job_name::JobName;
use crate::place::Place;
use crate::progress::row::{Look, Row};
use crate::{output, text};
use tree::Tree;

/// A file that is another now.
#[derive(Debug, Serialize)]
struct Change {
    path: String,
    what: What,
    /// How large it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<u64>,
    /// How large it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Added,
    Changed,
    Removed,
}

pub(super) async fn diff(
    place: Place,
    args: &DiffArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let client = place.client();
    let job = args.job.id(client).await?;
    let base = base(client, job, args.base.as_deref()).await?;
    let now = Tree::Job(job);
    let (was, is) = (base.files(client).await?, now.files(client).await?);
    let changes = changes(client, (&base, &was), (&now, &is)).await?;
    match format {
        Format::Json => output::json(&changes)?,
        Format::Text => {
            for change in &changes {
                output::line(&heading(change).painted())?;
                if !args.stat {
                    lines(client, &base, &now, change).await?;
                }
            }
            output::line(&summary(&changes, &base))?;
        }
    }
    place.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn base(client: &Client, job: JobId, wanted: Option<&Path>) -> anyhow::Result<Tree> {
    let Some(wanted) = wanted else {
        let resumed = client.job(job).await?.resumes;
        return Ok(match resumed {
            Some(old) if client.job(old).await.is_ok_and(|old| old.output.is_some()) => {
                Tree::Job(old)
            }
            _ => Tree::Nothing,
        });
    };
    if wanted.is_dir() {
        return Ok(Tree::Here(wanted.into()));
    }
    match wanted.to_str().and_then(|name| name.parse::<JobName>().ok()) {
        Some(name) => Ok(Tree::Job(name.id(client).await?)),
        None => bail!("--base {}: it is no directory here and no job", wanted.display()),
    }
}

type Files<'a> = (&'a Tree, &'a BTreeMap<String, u64>);

async fn changes(client: &Client, was: Files<'_>, is: Files<'_>) -> anyhow::Result<Vec<Change>> {
    let mut changes = vec![];
    let paths: BTreeSet<_> = was.1.keys().chain(is.1.keys()).collect();
    for path in paths {
        let (before, now) = (was.1.get(path).copied(), is.1.get(path).copied());
        let what = match (before, now) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            (Some(before), Some(now)) if before == now => {
                let old = was.0.digest(client, path).await?;
                if old.as_ref() == is.0.digest(client, path).await?.as_ref() {
                    continue;
                }
                What::Changed
            }
            _ => What::Changed,
        };
        changes.push(Change { path: path.clone(), what, was: before, is: now });
    }
    Ok(changes)
}

fn heading(change: &Change) -> Row {
    let (look, mark) = match change.what {
        What::Added => (Look::Good, 'A'),
        What::Changed => (Look::Odd, 'M'),
        What::Removed => (Look::Bad, 'D'),
    };
    let sizes = match (change.was, change.is) {
        (Some(was), Some(is)) => format!("{} → {}", text::size(was), text::size(is)),
        (was, is) => text::size(was.or(is).unwrap_or(0)),
    };
    Row::of(look, format!("{mark} "))
        .and(Look::Bold, text::one_line(&change.path))
        .and(Look::Dim, format!("  {sizes}"))
}

/// What is another in a file, if that are lines.
async fn lines(client: &Client, base: &Tree, now: &Tree, change: &Change) -> anyhow::Result<()> {
    let was = base.text(client, &change.path, change.was).await?;
    let is = now.text(client, &change.path, change.is).await?;
    let (Some(was), Some(is)) = (was, is) else {
        return output::line("  (too large to compare, or no text)");
    };
    unified(&was, &is).iter().try_for_each(|row| output::line(&row.painted()))
}

fn unified(was: &str, is: &str) -> Vec<Row> {
    let diff = TextDiff::from_lines(was, is).unified_diff().to_string();
    let row = |line: &str| {
        let look = match line.as_bytes().first() {
            Some(b'+') => Look::Good,
            Some(b'-') => Look::Bad,
            Some(b'@') => Look::Dim,
            _ => Look::Usual,
        };
        Row::of(look, text::plain(line).replace('\n', " "))
    };
    diff.lines().map(row).collect()
}

fn summary(changes: &[Change], base: &Tree) -> String {
    let count = |what| changes.iter().filter(|change| change.what == what).count();
    let (added, changed, removed) =
        (count(What::Added), count(What::Changed), count(What::Removed));
    let all = format!("{added} added, {changed} changed, {removed} removed");
    match base {
        Tree::Nothing => format!(
            "{all}, compared with an empty workspace; --base DIR compares with what was uploaded"
        ),
        Tree::Job(job) => format!("{all}, compared with job {job}"),
        Tree::Here(dir) => format!("{all}, compared with {}", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared_and_command_no_terminal() {
        let rows = unified("one\ntwo\n", "one\n\u{1b}[2Jtwo!\n");
        let text: Vec<_> = rows.iter().map(|row| &*row.0[0].1).collect();
        assert_eq!(text, ["@@ -1,2 +1,2 @@", " one", "-two", "+two!"]);
        assert_eq!(unified("same", "same"), []);
    }
}
