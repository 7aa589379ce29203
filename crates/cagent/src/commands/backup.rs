//! `cagent backup`.

use std::process::ExitCode;

use anyhow::Context as _;
use jobs::Backup;
use serde_json::{Value, json};

use crate::args::{BackupArgs, Format};
use crate::settings::Settings;
use crate::{complaint, output, text};

pub(super) async fn backup(
    settings: &Settings,
    args: BackupArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let (data, output_dir) = (settings.data_dir.clone(), settings.output_dir.clone());
    let to = args.directory.clone();
    let work = move || jobs::backup(&data, &output_dir, &to);
    let made = tokio::task::spawn_blocking(work).await.context("make the backup")??;
    for path in &made.missing {
        complaint::say(&format!("{} is not there; its job is kept without it", path.display()));
    }
    let (what, dir) = (what_is_in(&made), args.directory.display());
    match format {
        Format::Text => output::line(&format!("{dir}: {what}"))?,
        Format::Json => output::json(&shown(&made))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a backup holds, for people.
pub(super) fn what_is_in(backup: &Backup) -> String {
    let jobs = text::count(backup.jobs, "job");
    let mut all = vec![format!("{jobs}, {}", text::size(backup.bytes))];
    if backup.begun > 0 {
        let begun = text::count(backup.begun, "job");
        all.push(format!("{begun} that had begun; restored they end as interrupted"));
    }
    if backup.queued > 0 {
        let queued = text::count(backup.queued, "queued job");
        all.push(format!(
            "{queued}; a server that is started on a restored copy runs them, also where the original \
             does so too"
        ));
    }
    if !backup.forgotten.is_empty() {
        let gone = text::count(backup.forgotten.len() as u64, "job");
        all.push(format!("without {gone} that the server forgot meanwhile"));
    }
    all.join("; ")
}

/// The same for programs.
pub(super) fn shown(backup: &Backup) -> Value {
    let Backup { jobs, begun, queued, files, bytes, forgotten, missing } = backup;
    json!({
        "jobs": jobs, "begun": begun, "queued": queued, "files": files, "bytes": bytes,
        "forgotten": forgotten, "missing": missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_a_copy_hears_what_becomes_of_jobs_that_are_not_over() {
        let quiet = Backup { jobs: 1, bytes: 1024, ..Backup::default() };
        assert_eq!(what_is_in(&quiet), "1 job, 1.0 KiB");
        let busy = what_is_in(&Backup { jobs: 4, begun: 1, queued: 2, ..quiet });
        for words in
            ["1 job that had begun", "interrupted", "2 queued jobs", "runs them, also where"]
        {
            assert!(busy.contains(words), "{busy}");
        }
    }
}
