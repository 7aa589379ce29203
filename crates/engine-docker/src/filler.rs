//! Containers that are never started: by them volumes are filled. What a crash leaves of one is found
//! by its name, by whoever fills or removes the same thing next.

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use crate::container::{OWNER, no_healthcheck, volume};
use crate::daemon::status;
use crate::link::remove_container;

/// What is filled, and from what the container is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) owner: &'a str,
    pub(crate) image: &'a str,
    pub(crate) volume: &'a str,
    /// Where the container sees the volume.
    pub(crate) target: &'a str,
}

/// The name of the container that fills what is called so.
pub(crate) fn name(of: &str) -> String {
    format!("{of}-filler")
}

/// Makes the one that fills what is called so, in place of one that was left. Its name.
pub(crate) async fn make(docker: &Docker, of: &str, fill: Fill<'_>) -> Result<String, Error> {
    let name = name(of);
    let create = || {
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        docker.create_container(Some(options), body(fill))
    };
    match create().await {
        Err(e) if status(&e) == Some(409) => {
            remove_container(docker, &name).await?;
            create().await?;
        }
        made => drop(made?),
    }
    Ok(name)
}

fn body(fill: Fill<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(fill.image.into()),
        entrypoint: Some(vec!["/never".into()]),
        healthcheck: Some(no_healthcheck()),
        labels: Some([(OWNER.to_owned(), fill.owner.to_owned())].into()),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            mounts: Some(vec![volume(fill.volume, fill.target, false)]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
