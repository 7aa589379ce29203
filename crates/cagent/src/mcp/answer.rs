//! What an assistant hears. It pays for every word, and what a job wrote may be anything: so answers
//! are short, and cut where they would not be. Pure.

use api::{FileEntry, FileKind, FileList, Job, JobList, JobSummary};
use serde_json::{Value, json};
use types::Waiting;

use crate::text;

/// No answer is longer, but for some words around it.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// Entries of a directory that are told.
const ENTRIES: usize = 500;

/// The longest text of one field, in bytes.
const FIELD_BYTES: usize = 4 * 1024;

/// A job, without what says the same twice or only matters to people.
pub(super) fn job(job: &Job) -> String {
    let all = json!({
        "job": job.job_id,
        "title": job.title,
        "status": job.status,
        "over": job.status.is_final(),
        "reason": job.reason,
        "error": job.error,
        "exit_code": job.exit_code,
        "waiting": job.waiting.as_ref().map(waiting),
        "summary": job.summary,
        "artifacts": job.artifacts,
        "verified": job.verified,
        "checks": job.checks,
        "created": job.created,
        "started": job.started,
        "completed": job.completed,
        "cancel_requested": job.cancel_requested.then_some(true),
        "resumable": job.resumable.then_some(true),
        "zip_bytes": job.zip_bytes,
        "cost_usd": job.usage.and_then(|usage| usage.cost_usd),
    });
    cut(without_nulls(all).to_string())
}

fn waiting(waiting: &Waiting) -> Value {
    let Waiting::Approval { step, kind, title, code } = waiting;
    let code = code.as_deref().map(|code| beginning(code, FIELD_BYTES));
    json!({ "for": "approval (tool `decide`)", "step": step, "kind": kind, "title": title, "code": code })
}

/// One line for each job.
pub(super) fn jobs(list: &JobList) -> String {
    let line = |job: &JobSummary| {
        let waits = if job.waiting.is_some() { ", waiting for approval" } else { "" };
        let reason = job.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let title = text::short(&job.title, 100);
        format!("{} {}{reason}{waits} {:.0} {title}\n", job.job_id, job.status, job.created)
    };
    let lines: String = list.jobs.iter().map(line).collect();
    if lines.is_empty() { "there are no such jobs".into() } else { cut(lines) }
}

/// The last lines of a log.
pub(super) fn log(log: &str, lines: usize, is_more: bool) -> String {
    let wanted = log.lines().rev().take(lines).count();
    let skipped = log.lines().count() - wanted;
    let start = log.split_inclusive('\n').take(skipped).map(str::len).sum::<usize>();
    let shown = text::plain(ending(&log[start..], MOST_BYTES));
    match (shown.is_empty(), is_more || skipped > 0) {
        (true, _) => "nothing was written to it".into(),
        (false, true) => format!("[the end of a longer log]\n{shown}"),
        (false, false) => shown,
    }
}

/// One line for each entry.
pub(super) fn files(list: &FileList) -> String {
    let line = |entry: &FileEntry| {
        let what = match entry.kind {
            FileKind::File => text::size(entry.bytes),
            FileKind::Directory => "directory".into(),
            FileKind::Link => "link".into(),
            FileKind::Other => "neither file nor directory".into(),
        };
        format!("{} ({what})\n", text::one_line(&entry.name))
    };
    let lines: String = list.entries.iter().take(ENTRIES).map(line).collect();
    let more = list.entries.len().saturating_sub(ENTRIES) as u64 + list.more;
    match (lines.is_empty(), more) {
        (true, _) => "the directory is empty".into(),
        (false, 0) => cut(lines),
        (false, more) => format!("{}[and {more} more]", cut(lines)),
    }
}

/// The beginning of a file, of which so many bytes were read and there may be more.
pub(super) fn file(read: &[u8], is_more: bool) -> Result<String, String> {
    let is_text = |e: std::str::Utf8Error| e.error_len().is_none() && is_more;
    let shown = match std::str::from_utf8(read) {
        Ok(text) => text,
        // A character that the end of what was read cuts through.
        Err(e) if is_text(e) => std::str::from_utf8(&read[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return Err("it is no text; `download` gets it, in the job's ZIP".into()),
    };
    let more = "\n[cut here; `download` gets all of it, in the job's ZIP]";
    Ok(if is_more { format!("{shown}{more}") } else { shown.into() })
}

/// What went wrong, where the command line names its commands with our tools instead.
pub(super) fn complaint(text: &str) -> String {
    let tools = [
        ("`cagent ps`", "`list_jobs`"),
        ("`cagent status JOB`", "`get_job`"),
        ("`cagent logs -f JOB`", "`wait_for_job`"),
        ("`cagent files JOB`", "`list_files`"),
        ("`cagent cancel JOB`", "`cancel_job`"),
        ("`cagent download JOB`", "`download`"),
    ];
    tools.iter().fold(text.into(), |text: String, (command, tool)| text.replace(command, tool))
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

fn cut(text: String) -> String {
    if text.len() > MOST_BYTES { beginning(&text, MOST_BYTES) } else { text }
}

fn beginning(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    if end < text.len() { format!("{}… [cut]", &text[..end]) } else { text.into() }
}

fn ending(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_its_last_lines_and_never_long() {
        assert_eq!(log("a\nb\nc\n", 2, false), "[the end of a longer log]\nb\nc\n");
        assert_eq!(log("a\nb", 2, false), "a\nb");
        assert_eq!(log("a\n", 2, true), "[the end of a longer log]\na\n");
        assert_eq!(log("", 2, false), "nothing was written to it");
        assert_eq!(log("\u{1b}[31mred\u{1b}[0m", 2, false), "red");
        let long = "é".repeat(MOST_BYTES);
        assert!(log(&long, 1000, false).len() <= MOST_BYTES);
    }

    #[test]
    fn a_file_is_text_or_said_to_be_none() {
        assert_eq!(file("é".as_bytes(), false), Ok("é".into()));
        let cut = file(&"éé".as_bytes()[..3], true).unwrap();
        assert!(cut.starts_with("é\n[cut here"), "{cut}");
        for (bytes, is_more) in [(&b"\xff"[..], false), (b"\xff", true), (b"\xc3", false)] {
            assert!(file(bytes, is_more).unwrap_err().contains("no text"));
        }
    }

    #[test]
    fn lists_are_cut_and_say_so() {
        let entry = |name: String| FileEntry {
            name,
            kind: FileKind::File,
            bytes: 2048,
            modified: jiff::Timestamp::UNIX_EPOCH,
        };
        let entries = (0..ENTRIES + 2).map(|n| entry(format!("f{n}\n"))).collect();
        let told = files(&FileList { path: String::new(), entries, more: 3 });
        assert!(told.starts_with("f0") && told.ends_with("[and 5 more]"), "{told}");
        assert_eq!(told.lines().count(), ENTRIES + 1);
        let empty = FileList { path: String::new(), entries: vec![], more: 0 };
        assert_eq!(files(&empty), "the directory is empty");
    }
}
