//! The daemon, asked once for all that sandboxes need of it.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListImagesOptions, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder, WaitContainerOptionsBuilder,
};
use engine::{EngineError, SandboxSpec};
use futures_util::StreamExt;
use tokio::time::timeout;
use types::{JobId, SandboxReport};

use crate::census::{self, Found};
use crate::config::DockerConfig;
use crate::container::{Places, Plan};
use crate::daemon::{Address, failed, is_gone, refused, status};
use crate::filler::Fill;
use crate::folder::Folder;
use crate::probe::{Way, find_way};
use crate::tools::Tools;
use crate::{filler, report};

/// How long a removal that somebody else began may take.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that answered, and how its sandboxes are reached.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) docker: Docker,
    pub(crate) way: Way,
    pub(crate) report: SandboxReport,
    address: Address,
    owner: String,
    /// Of jobs that name none.
    image: String,
    runtime: Option<String>,
    tools: Tools,
    is_podman: bool,
}

impl Link {
    /// Asks it, fills the volume of our programs, and tries how containers are reached. Some tens of
    /// milliseconds, or the start of a container more.
    pub(crate) async fn open(config: &DockerConfig, owner: &str) -> Result<Self, EngineError> {
        let address = Address::parse(config.host.as_deref())?;
        let docker = address.connect().await?;
        let info = docker.info().await.map_err(|e| address.unreachable(&e))?;
        let version = docker.version().await.map_err(|e| address.unreachable(&e))?;
        let is_podman =
            version.components.iter().flatten().any(|part| part.name.contains("Podman"));
        let runtime = config.runtime.as_deref();
        report::check(&info, runtime)?;
        let tools = Tools::read(&config.tools, engine::ca_bundle().as_deref())?;
        let present = present(&docker, &config.image).await?;
        tools.volume(&docker, owner, &present).await?;
        let unprobed = Self {
            docker,
            way: Way::Bridged { why: String::new() },
            report: report::report(&info, runtime, None),
            address,
            owner: owner.into(),
            image: present,
            runtime: config.runtime.clone(),
            tools,
            is_podman,
        };
        let way = find_way(&unprobed, &unprobed.address, &info, &config.home).await?;
        let report = report::report(&info, runtime, way.why_bridged());
        Ok(Self { way, report, image: config.image.clone(), ..unprobed })
    }

    /// The daemon did not answer a question that it answered before.
    pub(crate) fn lost(&self, error: &Error) -> EngineError {
        self.address.unreachable(error)
    }

    /// The name of the container that a job's try makes, and of its volume.
    pub(crate) fn name(&self, job: JobId, id: &str) -> String {
        census::name(&self.owner, job, id)
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.is_podman
    }

    /// Whether jobs that name no image can run.
    pub(crate) async fn check_image(&self) -> Result<(), EngineError> {
        let found = self.docker.inspect_image(&self.image).await;
        found.map(drop).map_err(|e| refused(&self.image, &e).unwrap_or_else(|| self.lost(&e)))
    }

    /// Makes a container by which a sandbox's volume is filled, from the sandbox's own image. Its name.
    pub(crate) async fn filler(&self, job: JobId, volume: &str) -> Result<String, Error> {
        let image = self.docker.inspect_container(volume, None).await?.image.unwrap_or_default();
        let (owner, target) = (self.owner.as_str(), protocol::WORKSPACE);
        let fill = Fill { owner, job: Some(job), image: &image, volume, target };
        filler::make(&self.docker, fill).await
    }

    /// Makes a sandbox's container, of this name, as things are.
    pub(crate) async fn create(&self, spec: &SandboxSpec, name: &str) -> Result<(), EngineError> {
        let places = match &self.way {
            Way::Mounted { home } => Places::mounted(&home.join(spec.job.to_string())),
            Way::Bridged { .. } => Places::Bridged { workspace: name.into() },
        };
        self.create_at(spec, name, places).await
    }

    pub(crate) async fn create_at(
        &self,
        spec: &SandboxSpec,
        name: &str,
        places: Places,
    ) -> Result<(), EngineError> {
        let image = spec.image.as_deref().unwrap_or(&self.image);
        let (tools, (id, volumes)) = tokio::try_join!(
            self.tools.volume(&self.docker, &self.owner, image),
            self.look_at(spec.job, image),
        )?;
        let plan = Plan {
            owner: &self.owner,
            job: spec.job,
            image: &id,
            limits: &spec.limits,
            runtime: self.runtime.as_deref(),
            tools: &tools,
            places,
            volumes: &volumes,
            is_podman: self.is_podman,
        };
        let made = self.make(name, plan.body()).await;
        made.map_err(|e| {
            refused(image, &e).unwrap_or_else(|| failed(spec.job, "create its container", &e))
        })
    }

    /// The image that is called so at this moment, and what it declares as volumes.
    async fn look_at(&self, job: JobId, image: &str) -> Result<(String, Vec<String>), EngineError> {
        let found = self.docker.inspect_image(image).await;
        let found = found.map_err(|e| {
            refused(image, &e).unwrap_or_else(|| failed(job, "look at its image", &e))
        })?;
        let volumes = found.config.and_then(|config| config.volumes).unwrap_or_default();
        Ok((found.id.unwrap_or_else(|| image.into()), volumes))
    }

    async fn make(&self, name: &str, body: ContainerCreateBody) -> Result<(), Error> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        self.docker.create_container(Some(options), body).await.map(drop)
    }

    /// Kills everything in a job's containers and removes them, and the volumes they may have. No error if
    /// there are none. From the first moment on the folder names none of them.
    pub(crate) async fn remove(
        &self,
        job: JobId,
        folder: &Folder,
        has_volume: bool,
    ) -> Result<(), EngineError> {
        folder.end_try()?;
        let found = census::containers(self, Some(job)).await?;
        for found in &found {
            self.remove_found(found).await?;
        }
        if !has_volume {
            return Ok(());
        }
        // What a crash left of a try whose container was removed already has no other name.
        for id in found.into_iter().map(|found| found.id).chain(folder.last_try()?) {
            self.remove_volume(job, &id).await?;
        }
        Ok(())
    }

    pub(crate) async fn remove_found(&self, found: &Found) -> Result<(), EngineError> {
        let removed = remove_container(&self.docker, found.container()).await;
        removed.map_err(|e| failed(found.job, "remove its container", &e))
    }

    pub(crate) async fn remove_volume(&self, job: JobId, id: &str) -> Result<(), EngineError> {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        match self.docker.remove_volume(&self.name(job, id), Some(options)).await {
            Err(e) if !is_gone(&e) => Err(failed(job, "remove its volume", &e)),
            _ => Ok(()),
        }
    }
}

/// The image that jobs have who name none; or any other, if the daemon does not have that one: what
/// is found out and filled at first needs one, whatever is in it.
async fn present(docker: &Docker, usual: &str) -> Result<String, EngineError> {
    let missing = match docker.inspect_image(usual).await.map_err(|e| refused(usual, &e)) {
        // What else is wrong with it, the containers made from it will tell.
        Ok(_) | Err(None) => return Ok(usual.into()),
        Err(Some(missing)) => missing,
    };
    let all = docker.list_images(None::<ListImagesOptions>).await.unwrap_or_default();
    let Some(other) = all.into_iter().next() else { return Err(missing) };
    tracing::warn!("jobs that name no image cannot run on Docker: {missing}");
    Ok(other.id)
}

/// Kills everything in a container and removes it. No error if it is gone, as it is afterwards.
pub(crate) async fn remove_container(docker: &Docker, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Err(e) if is_gone(&e) => Ok(()),
        // Somebody removes it at this moment.
        Err(e) if status(&e) == Some(409) => until_removed(docker, name).await.ok_or(e),
        other => other,
    }
}

/// Waits until somebody else has removed a container. None if it is not removed, or not soon.
pub(crate) async fn until_removed(docker: &Docker, name: &str) -> Option<()> {
    let options = WaitContainerOptionsBuilder::default().condition("removed").build();
    let mut waiting = docker.wait_container(name, Some(options));
    match timeout(REMOVAL_PATIENCE, waiting.next()).await.ok()?? {
        Ok(_) | Err(Error::DockerContainerWaitError { .. }) => Some(()),
        Err(e) => is_gone(&e).then_some(()),
    }
}

impl Places {
    /// Those of a sandbox whose folder the daemon finds here.
    pub(crate) fn mounted(folder: &Path) -> Self {
        let in_folder = |name| folder.join(name).to_string_lossy().into_owned();
        Self::Mounted { gateway: in_folder("gateway"), workspace: in_folder("workspace") }
    }
}
