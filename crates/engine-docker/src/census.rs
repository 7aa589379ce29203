//! Which of a daemon's containers are sandboxes of ours, or were.
//!
//! Invariant: no two containers ever have one name, and a folder notes the try that its sandbox is from
//! before the daemon is told to make the container until before it is told to remove it
//! ([`crate::folder::Folder::begin_try`], [`Link::remove`]). So an order of an orchestrator that is gone,
//! which the daemon may follow at any time later, hits what that one meant, or nothing. And what no
//! folder names is left over, whoever made it, and goes ([`crate::sweep`]).

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use engine::EngineError;
use types::JobId;

use crate::container::{JOB, OWNER};
use crate::filler;
use crate::link::Link;
use crate::owner::is_id;

/// A container that is, or was, for a job.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) job: JobId,
    /// Which of the job's tries made it.
    pub(crate) id: String,
    /// Whether it only fills the volume of that one.
    pub(crate) is_filler: bool,
    summary: ContainerSummary,
}

impl Found {
    /// What the daemon calls it.
    pub(crate) fn container(&self) -> &str {
        self.summary.id.as_deref().unwrap_or_default()
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.summary.labels.as_ref()?.get(name).map(String::as_str)
    }

    pub(crate) fn state(&self) -> Option<ContainerSummaryStateEnum> {
        self.summary.state
    }
}

/// The name of the container that a job's try makes, and of its volume.
pub(crate) fn name(owner: &str, job: JobId, id: &str) -> String {
    format!("{}{job}-{id}", prefix(owner))
}

/// All of them, or those of one job.
pub(crate) async fn containers(link: &Link, job: Option<JobId>) -> Result<Vec<Found>, EngineError> {
    let mut labels = vec![format!("{OWNER}={}", link.owner())];
    labels.push(job.map_or_else(|| JOB.to_owned(), |job| format!("{JOB}={job}")));
    let filters = [("label".to_owned(), labels)].into();
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = link.docker.list_containers(Some(options)).await.map_err(|e| link.lost(&e))?;
    Ok(found.into_iter().filter_map(|found| read(link.owner(), found)).collect())
}

/// The jobs and tries that have volumes, whatever became of their containers.
pub(crate) async fn volumes(link: &Link) -> Result<Vec<(JobId, String)>, EngineError> {
    let filters = [("name".to_owned(), vec![prefix(link.owner())])].into();
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let found = link.docker.list_volumes(Some(options)).await.map_err(|e| link.lost(&e))?;
    let found = found.volumes.into_iter().flatten();
    Ok(found.filter_map(|volume| read_name(link.owner(), &volume.name)).collect())
}

/// Whose it is. Any container has the labels of its image, but only ours has such a name as well.
fn read(owner: &str, summary: ContainerSummary) -> Option<Found> {
    let labelled: JobId = summary.labels.as_ref()?.get(JOB)?.parse().ok()?;
    let mut names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    let (job, id, is_filler) = names.find_map(|name| {
        let filled = name.strip_suffix(filler::SUFFIX);
        let (job, id) = read_name(owner, filled.unwrap_or(name))?;
        Some((job, id, filled.is_some()))
    })?;
    (job == labelled).then_some(Found { job, id, is_filler, summary })
}

/// The job and the try of a [`name`].
fn read_name(owner: &str, name: &str) -> Option<(JobId, String)> {
    let (job, id) = name.strip_prefix(&prefix(owner))?.rsplit_once('-')?;
    Some((job.parse().ok()?, is_id(id).then(|| id.to_owned())?))
}

fn prefix(owner: &str) -> String {
    format!("cagent-{owner}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_alone_make_no_sandbox() {
        let job = JobId::generate();
        let read = |label: JobId, name: String| {
            let summary = ContainerSummary {
                labels: Some([(JOB.to_owned(), label.to_string())].into()),
                names: Some(vec![name]),
                ..ContainerSummary::default()
            };
            read("o", summary).map(|found| (found.job, found.id, found.is_filler))
        };
        let (id, ours) = ("0123456789ab", format!("/cagent-o-{job}-0123456789ab"));
        assert_eq!(read(job, ours.clone()), Some((job, id.into(), false)));
        assert_eq!(read(job, format!("{ours}-filler")), Some((job, id.into(), true)));
        for other in ["/web", &format!("{ours}-x"), &format!("/cagent-p-{job}-{id}")] {
            assert_eq!(read(job, other.to_owned()), None, "{other}");
        }
        assert_eq!(read(JobId::generate(), ours), None, "the job of another");
    }

    #[test]
    fn reads_the_names_that_it_gives() {
        let (job, id) = (JobId::generate(), "0123456789ab");
        assert_eq!(read_name("o", &name("o", job, id)), Some((job, id.into())));
    }
}
