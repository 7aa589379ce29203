//! The Docker daemon, asked by its API without any of us: what it can do at best.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions, RemoveVolumeOptions,
};
use futures_util::TryStreamExt as _;
use testkit::{DataDir, PATIENCE, Server};
use tokio::time::{sleep, timeout};
use types::JobId;

use crate::bed::Bed;
use crate::missing::Missing;
use crate::stats::millis;

/// From what containers are made.
pub(crate) const IMAGE: &str = "containerized-agent:latest";

/// How often to look whether a container runs.
const LOOK: Duration = Duration::from_millis(10);

/// What most machines trust.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a server puts on its containers and volumes.
const JOB: &str = "cagent.job";
const OWNER: &str = "cagent.owner";

/// One that answers and has the agent image.
#[derive(Debug)]
pub(crate) struct Daemon {
    docker: Docker,
    /// Of the image, as Docker counts it: without the packing of its layers.
    pub(crate) image_bytes: i64,
}

/// A container that stays until it is removed.
#[derive(Debug)]
pub(crate) struct Staying {
    pub(crate) id: String,
    /// Its first process, on the daemon's machine.
    pub(crate) pid: i32,
}

impl Daemon {
    /// # Errors
    /// [`Missing`] when no daemon answers, or it has no agent image.
    pub(crate) async fn find() -> anyhow::Result<Self> {
        let silent = |e: Error| {
            Missing::of(format!(
                "no Docker daemon answers ({e}); start it (scripts/docker), or name it with DOCKER_HOST"
            ))
        };
        let docker = Docker::connect_with_defaults().map_err(silent)?;
        let docker = docker.negotiate_version().await.map_err(silent)?;
        let image = match docker.inspect_image(IMAGE).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Err(Missing::of(format!("the daemon has no {IMAGE}; run: make image")));
            }
            answered => answered.context("ask for the image")?,
        };
        Ok(Self { docker, image_bytes: image.size.context("its size")? })
    }

    /// Whether it has this image.
    pub(crate) async fn has(&self, image: &str) -> bool {
        self.docker.inspect_image(image).await.is_ok()
    }

    /// How many bytes an image has; it is removed then.
    pub(crate) async fn take_image(&self, image: &str) -> anyhow::Result<i64> {
        let bytes = self.docker.inspect_image(image).await?.size.context("its size")?;
        self.docker.remove_image(image, None::<RemoveImageOptions>, None).await?;
        Ok(bytes)
    }

    /// Stages of an agent image that is gone; older daemons keep them when they build it.
    pub(crate) async fn stages(&self) -> anyhow::Result<HashSet<String>> {
        let filters = HashMap::from([
            ("label", vec!["cagent.image".to_owned()]),
            ("dangling", vec!["true".into()]),
        ]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        Ok(self
            .docker
            .list_images(Some(options))
            .await?
            .into_iter()
            .map(|image| image.id)
            .collect())
    }

    /// Removes an image that has no name.
    pub(crate) async fn remove_stage(&self, id: &str) -> anyhow::Result<()> {
        self.docker.remove_image(id, None::<RemoveImageOptions>, None).await?;
        Ok(())
    }

    /// A server whose jobs are containers, two at one time.
    pub(crate) async fn server(&self, bed: &Bed) -> anyhow::Result<Server> {
        let bed = Bed { cores: 2, ..bed.clone() };
        let data = DataDir::new();
        let builder = bed.builder(&data).env("CAGENT_ENGINE", "docker").env("AGENT_IMAGE", IMAGE);
        // By its certificates it has a volume of programs of its own, which can be removed.
        let own = data.path().with_file_name("own.pem");
        let found = std::env::var("SSL_CERT_FILE").unwrap_or(CERTIFICATES.into());
        let certificates = std::fs::read_to_string(found).unwrap_or_default();
        std::fs::write(&own, format!("# {}\n{certificates}", own.display()))?;
        Ok(builder.env("SSL_CERT_FILE", own).start().await)
    }

    /// Removes what a server leaves for the next: the volume with its programs; and its containers, if
    /// something went wrong.
    pub(crate) async fn clean_up(&self, server: Server) -> anyhow::Result<()> {
        let owner = std::fs::read_to_string(server.data_dir().path().join("docker/owner"))?;
        let own = labelled(OWNER, &owner);
        server.stop().await;
        let all = ListContainersOptionsBuilder::default().all(true).filters(&own).build();
        for container in self.docker.list_containers(Some(all)).await? {
            self.remove(&container.id.context("an id")?).await?;
        }
        let all = ListVolumesOptionsBuilder::default().filters(&own).build();
        for volume in self.docker.list_volumes(Some(all)).await?.volumes.unwrap_or_default() {
            self.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await?;
        }
        Ok(())
    }

    /// The container of a job that runs.
    pub(crate) async fn of_job(&self, job: JobId) -> anyhow::Result<Staying> {
        let of_job = labelled(JOB, &job.to_string());
        let options = ListContainersOptionsBuilder::default().all(true).filters(&of_job).build();
        let found = self.docker.list_containers(Some(options)).await?;
        let id = found.into_iter().next().and_then(|one| one.id).context("the job's container")?;
        self.staying(id).await
    }

    /// How to make a container like this one, `HostConfig` and all, that runs only this command, as a
    /// job's commands do: not as root.
    pub(crate) async fn like(
        &self,
        container: &Staying,
        command: &str,
    ) -> anyhow::Result<ContainerCreateBody> {
        let twin = self.inspect(&container.id).await?;
        let config = twin.config.context("its settings")?;
        Ok(ContainerCreateBody {
            image: config.image,
            env: config.env,
            hostname: config.hostname,
            working_dir: config.working_dir,
            user: Some("1000:1000".into()),
            entrypoint: Some(vec!["sh".into(), "-c".into(), command.into()]),
            host_config: twin.host_config,
            ..ContainerCreateBody::default()
        })
    }

    /// Milliseconds from creation to removal of a container that ends by itself.
    pub(crate) async fn life(&self, body: &ContainerCreateBody) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let id = self.docker.create_container(None, body.clone()).await?.id;
        let ended = self.run(&id).await;
        self.remove(&id).await?;
        ended.map(|()| millis(begun))
    }

    /// Makes one and leaves it running.
    pub(crate) async fn stay(&self, body: &ContainerCreateBody) -> anyhow::Result<Staying> {
        let id = self.docker.create_container(None, body.clone()).await?.id;
        self.docker.start_container(&id, None).await?;
        self.staying(id).await
    }

    pub(crate) async fn remove(&self, id: &str) -> anyhow::Result<()> {
        let force = RemoveContainerOptionsBuilder::default().force(true).build();
        self.docker.remove_container(id, Some(force)).await.context("remove a container")
    }

    async fn run(&self, id: &str) -> anyhow::Result<()> {
        self.docker.start_container(id, None).await?;
        let ends: Vec<_> = self.docker.wait_container(id, None).try_collect().await?;
        ensure!(ends.iter().all(|end| end.status_code == 0), "it failed: {ends:?}");
        Ok(())
    }

    async fn staying(&self, id: String) -> anyhow::Result<Staying> {
        // It may have said something before the daemon counts it as running.
        let runs = async {
            loop {
                let state = self.inspect(&id).await?.state;
                match state.and_then(|state| state.pid).filter(|pid| *pid > 0) {
                    Some(pid) => return anyhow::Ok(pid.try_into()?),
                    None => sleep(LOOK).await,
                }
            }
        };
        let pid = timeout(PATIENCE, runs).await.context("wait for a container's process")??;
        Ok(Staying { id, pid })
    }

    async fn inspect(&self, id: &str) -> anyhow::Result<ContainerInspectResponse> {
        self.docker.inspect_container(id, None).await.context("look at a container")
    }
}

fn labelled(name: &str, value: &str) -> HashMap<&'static str, Vec<String>> {
    [("label", vec![format!("{name}={value}")])].into()
}
