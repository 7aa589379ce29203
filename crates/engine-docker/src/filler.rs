//! Containers that are never started: by them volumes are filled. What a crash leaves of one that fills
//! a job's volume is found as the job's other containers are (`census`), else by its name, by whoever
//! fills the same volume next. One of another server is waited for: it fills the same volume.

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use types::JobId;

use crate::container::{JOB, OWNER, no_healthcheck, volume};
use crate::daemon::status;
use crate::link::{remove_container, until_removed};

/// How the names of such containers end.
pub(crate) const SUFFIX: &str = "-filler";

/// What is filled, and from what the container is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) owner: &'a str,
    /// Whose volume it is, if it is one job's.
    pub(crate) job: Option<JobId>,
    pub(crate) image: &'a str,
    pub(crate) volume: &'a str,
    /// Where the container sees the volume.
    pub(crate) target: &'a str,
}

/// Makes one, in place of one that was left. Its name.
pub(crate) async fn make(docker: &Docker, fill: Fill<'_>) -> Result<String, Error> {
    let name = format!("{}{SUFFIX}", fill.volume);
    let create = || {
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        docker.create_container(Some(options), body(fill))
    };
    match create().await {
        Err(e) if status(&e) == Some(409) => {
            let is_ours = is_of(docker, &name, fill.owner).await;
            if !is_ours && until_removed(docker, &name).await.is_none() {
                tracing::warn!(
                    "the container {name} is taken for what another server's crash left"
                );
            }
            remove_container(docker, &name).await?;
            create().await?;
        }
        made => drop(made?),
    }
    Ok(name)
}

async fn is_of(docker: &Docker, name: &str, owner: &str) -> bool {
    let found = docker.inspect_container(name, None).await.ok();
    let labels = found.and_then(|found| found.config?.labels).unwrap_or_default();
    labels.get(OWNER).is_some_and(|of| of == owner)
}

fn body(fill: Fill<'_>) -> ContainerCreateBody {
    let mut labels = vec![(OWNER.to_owned(), fill.owner.to_owned())];
    labels.extend(fill.job.map(|job| (JOB.to_owned(), job.to_string())));
    ContainerCreateBody {
        image: Some(fill.image.into()),
        entrypoint: Some(vec!["/never".into()]),
        healthcheck: Some(no_healthcheck()),
        labels: Some(labels.into_iter().collect()),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            mounts: Some(vec![volume(fill.volume, fill.target, false)]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
