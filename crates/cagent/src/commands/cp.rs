//! `cagent cp`: one file, out of a job or into it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail, ensure};
use api::Code;
use serde_json::json;
use tokio::fs::File;
use types::JobId;

use super::{Context, download, save};
use crate::args::{CpArgs, Format};
use crate::client::Refused;
use crate::job_name::JobName;
use crate::server::Purpose;
use crate::spot::Spot;
use crate::{output, text};

pub(super) async fn cp(
    args: CpArgs,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    match (args.from, args.to) {
        (Spot::Job(job, path), Spot::Local(file)) => {
            get(context, &job, &path, &file, format).await?;
        }
        (Spot::Local(file), Spot::Job(job, path)) => {
            put(context, &file, &job, &path, format).await?;
        }
        _ => bail!(
            "one of the two is in a job: `cagent cp JOB:PATH FILE` or `cagent cp FILE JOB:PATH`; \
             `cagent ps` lists the jobs"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

async fn get(
    context: Context<'_>,
    job: &JobName,
    path: &str,
    to: &Path,
    format: Format,
) -> anyhow::Result<()> {
    let name = last(path).context("name the file in the job: JOB:PATH")?;
    let to = if to.is_dir() { to.join(name) } else { to.into() };
    let place = Context { purpose: Purpose::Look, ..context }.place().await?;
    let job = job.id(place.client()).await?;
    place.say_if_nobody_runs([place.client().job(job).await?.status]);
    let body = place.client().file(job, path).await?;
    if to == Path::new("-") {
        download::print(body).await?;
    } else {
        let bytes = save::save(body, &to).await?;
        tell(format, job, path, &to, bytes)?;
    }
    place.close().await;
    Ok(())
}

async fn put(
    context: Context<'_>,
    from: &Path,
    job: &JobName,
    path: &str,
    format: Format,
) -> anyhow::Result<()> {
    let path = inside(from, path)?;
    let file = File::open(from).await.with_context(|| format!("read {}", from.display()))?;
    let found = file.metadata().await.with_context(|| format!("read {}", from.display()))?;
    ensure!(!found.is_dir(), "{} is a directory; files are copied one by one", from.display());
    let place = context.place().await?;
    let job = job.id(place.client()).await?;
    place.client().put_file(job, &path, file).await.map_err(with_way_out)?;
    place.close().await;
    tell(format, job, &path, from, found.len())
}

fn with_way_out(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(Refused(problem)) if problem.code == Code::JobOver => {
            let why = problem.detail.split("; ").next().unwrap_or_default();
            anyhow!("{why}; `cagent run --file` gives files to a new one")
        }
        _ => error,
    }
}

/// Where a file goes: into a directory under its own name.
fn inside(from: &Path, path: &str) -> anyhow::Result<String> {
    if last(path).is_some() {
        return Ok(path.into());
    }
    let name = from.file_name().and_then(|name| name.to_str());
    Ok(format!("{path}{}", name.context("its name is no text; name the file: JOB:PATH")?))
}

/// The name of a file, unless the path is a directory's.
fn last(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

fn tell(format: Format, job: JobId, path: &str, local: &Path, bytes: u64) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            output::json(&json!({ "job_id": job, "path": path, "file": local, "bytes": bytes }))
        }
        Format::Text => output::line(&format!("{}, {}", text::one_line(path), text::size(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn into_a_directory_a_file_keeps_its_name() {
        let inside = |path| inside("here/a.txt".as_ref(), path).unwrap();
        assert_eq!(inside(""), "a.txt");
        assert_eq!(inside("data/"), "data/a.txt");
        assert_eq!(inside("data/b"), "data/b");
    }
}
