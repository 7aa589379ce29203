//! Which of a daemon's containers are sandboxes of ours, or were.
//!
//! Invariant: no two containers ever have one name, and a folder notes the try that its sandbox is from
//! before the daemon is told to make the container until before it is told to remove it
//! ([`crate::folder::Folder::begin_try`], [`Link::remove`]). So an order of an orchestrator that is gone,
//! which the daemon may follow at any time later, hits what that one meant, or nothing. And what no
//! folder names is left over, whoever made it, and is removed by whoever finds it ([`Link::sweep`]).

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptionsBuilder;
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
    format!("cagent-{owner}-{job}-{id}")
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

/// Whose it is. Any container has the labels of its image, but only ours has such a name as well.
fn read(owner: &str, summary: ContainerSummary) -> Option<Found> {
    let job = summary.labels.as_ref()?.get(JOB)?.parse().ok()?;
    let ours = name(owner, job, "");
    let mut names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    let rest = names.find_map(|name| name.strip_prefix(&ours))?;
    let (id, is_filler) = match rest.strip_suffix(filler::SUFFIX) {
        Some(id) => (id, true),
        None => (rest, false),
    };
    is_id(id).then(|| id.to_owned()).map(|id| Found { job, id, is_filler, summary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_alone_make_no_sandbox() {
        let job = JobId::generate();
        let read = |name: String| {
            let summary = ContainerSummary {
                labels: Some([(JOB.to_owned(), job.to_string())].into()),
                names: Some(vec![name]),
                ..ContainerSummary::default()
            };
            read("o", summary).map(|found| (found.job, found.id, found.is_filler))
        };
        let (id, ours) = ("0123456789ab", format!("/cagent-o-{job}-0123456789ab"));
        assert_eq!(read(ours.clone()), Some((job, id.into(), false)));
        assert_eq!(read(format!("{ours}-filler")), Some((job, id.into(), true)));
        for other in ["/web", &format!("{ours}-x"), &format!("/cagent-p-{job}-{id}")] {
            assert_eq!(read(other.to_owned()), None, "{other}");
        }
    }
}
