//! What is told of a job that is over, on a terminal: how it ended, what was checked, what it took,
//! where its ZIP is and what can be done with it.

use std::path::Path;
use std::time::Duration;

use api::Job;
use types::JobStatus;

use super::agent::checked;
use super::row::{Look, Row, broken};
use crate::{job_name, text};

const INDENT: &str = "  ";

/// The report, its text in so many columns; `saved` is where its ZIP was saved here.
pub(crate) fn report(job: &Job, saved: Option<&Path>, columns: usize) -> Vec<Row> {
    let error = job.error.as_deref().filter(|_| job.status == JobStatus::Error);
    let error = error.map(text::plain).unwrap_or_default();
    let mut rows = vec![outcome(job)];
    rows.extend(indented(error.trim(), columns));
    rows.extend(summary(job, columns));
    rows.extend(job.checks.iter().flatten().map(|check| {
        let (look, mark) = if check.passed { (Look::Good, '✓') } else { (Look::Bad, '✗') };
        Row::of(look, format!("  {mark} ")).and(Look::Usual, checked(check))
    }));
    rows.extend(job.output.as_ref().map(|path| {
        let path = saved.map_or_else(|| path.clone(), |saved| saved.display().to_string());
        let size = job.zip_bytes.map(|bytes| format!("  {}", text::size(bytes)));
        Row::of(Look::Dim, "  ZIP   ")
            .and(Look::Usual, text::one_line(&path))
            .and(Look::Dim, size.unwrap_or_default())
    }));
    rows.extend(next(job, saved));
    rows
}

fn outcome(job: &Job) -> Row {
    let (look, mark) = match job.status {
        JobStatus::Complete => (Look::Good, '✓'),
        JobStatus::Cancelled => (Look::Odd, '–'),
        JobStatus::Error => (Look::Bad, '✗'),
        _ => (Look::Odd, '…'),
    };
    let how = match (job.status, job.verified) {
        (JobStatus::Error, _) => {
            job.reason.as_ref().map(|reason| format!(" ({})", text::word(reason)))
        }
        (JobStatus::Complete, Some(true)) => Some(", verified".into()),
        (JobStatus::Complete, Some(false)) => Some(", not verified".into()),
        _ => None,
    };
    Row::of(look, format!("{mark} {}", job.status))
        .and(Look::Usual, how.unwrap_or_default())
        .and(Look::Dim, took(job))
}

fn summary(job: &Job, columns: usize) -> Vec<Row> {
    // What nothing proves is a claim.
    let claim = if job.verified == Some(true) { "" } else { "it says: " };
    let summary = text::plain(job.summary.as_deref().unwrap_or_default());
    match summary.trim() {
        "" => vec![],
        summary => indented(&format!("{claim}{summary}"), columns),
    }
}

/// Broken between words, so that the terminal does not break them.
fn indented(text: &str, columns: usize) -> Vec<Row> {
    let lines =
        text.lines().flat_map(|line| broken(line, columns.saturating_sub(INDENT.len() + 1)));
    lines.map(|line| Row::of(Look::Usual, format!("{INDENT}{line}"))).collect()
}

fn took(job: &Job) -> String {
    let time =
        job.completed.and_then(|end| Duration::try_from(end.duration_since(job.created)).ok());
    let usage = job.usage.unwrap_or_default();
    let tokens = usage.input_tokens.unwrap_or(0) + usage.output_tokens.unwrap_or(0);
    let all = [
        time.map(text::took),
        (tokens > 0).then(|| text::count(tokens, "token")),
        usage.cost_usd.filter(|_| tokens > 0).map(text::dollars),
    ];
    all.into_iter().flatten().map(|fact| format!(" · {fact}")).collect()
}

/// What to do next.
fn next(job: &Job, saved: Option<&Path>) -> Vec<Row> {
    let id = job_name::short(job.job_id);
    let all = [
        (job.output.is_some() && saved.is_none())
            .then(|| (format!("cagent download {id}"), "puts its ZIP here")),
        job.output.is_some().then(|| (format!("cagent diff {id}"), "shows what it changed")),
        (job.status == JobStatus::Error).then(|| (format!("cagent logs {id}"), "has all it wrote")),
        job.resumable.then(|| (format!("cagent resume {id}"), "goes on with it")),
    ];
    let row = |(command, does): (String, &str)| {
        Row::of(Look::Dim, "  next  ").and(Look::Bold, command).and(Look::Dim, format!("  {does}"))
    };
    all.into_iter().flatten().map(row).collect()
}
