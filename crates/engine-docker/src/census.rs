//! Which of a daemon's containers are sandboxes of ours.

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use engine::EngineError;
use types::JobId;

use crate::container::{JOB, OWNER, name};
use crate::link::Link;

/// All of them, or that of one job.
pub(crate) async fn containers(
    link: &Link,
    job: Option<JobId>,
) -> Result<Vec<(JobId, ContainerSummary)>, EngineError> {
    let mut labels = vec![format!("{OWNER}={}", link.owner())];
    labels.extend(job.map(|job| format!("{JOB}={job}")));
    let filters = [("label".to_owned(), labels)].into();
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = link.docker.list_containers(Some(options)).await.map_err(|e| link.lost(&e))?;
    let ours = |found| Some((job_of(link.owner(), &found)?, found));
    Ok(found.into_iter().filter_map(ours).collect())
}

/// Whose it is. Any container has the labels of its image, but only ours has such a name as well.
fn job_of(owner: &str, found: &ContainerSummary) -> Option<JobId> {
    let job = found.labels.as_ref()?.get(JOB)?.parse().ok()?;
    let expected = name(owner, job);
    let mut names = found.names.iter().flatten();
    names.any(|name| name.trim_start_matches('/') == expected).then_some(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_alone_make_no_sandbox() {
        let job = JobId::generate();
        let found = |name: String| ContainerSummary {
            labels: Some([(JOB.to_owned(), job.to_string())].into()),
            names: Some(vec![name]),
            ..ContainerSummary::default()
        };
        let ours = format!("/cagent-o-{job}");
        assert_eq!(job_of("o", &found(ours.clone())), Some(job));
        for other in ["/web".into(), format!("{ours}-filler"), format!("/cagent-p-{job}")] {
            assert_eq!(job_of("o", &found(other.clone())), None, "{other}");
        }
    }
}
