//! The daemon, asked once for all that sandboxes need of it.

use std::path::Path;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use engine::{EngineError, SandboxSpec};
use types::{JobId, SandboxReport};

use crate::config::DockerConfig;
use crate::container::{Places, Plan, name};
use crate::daemon::{Address, failed, is_gone, refused, status};
use crate::probe::{Way, find_way};
use crate::report;
use crate::tools::Tools;

/// A daemon that answered, and how its sandboxes are reached.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) docker: Docker,
    pub(crate) way: Way,
    pub(crate) report: SandboxReport,
    address: Address,
    owner: String,
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
        tools.volume(&docker, owner, &config.image).await?;
        let unprobed = Self {
            docker,
            way: Way::Bridged { why: String::new() },
            report: report::report(&info, runtime, None),
            address,
            owner: owner.into(),
            image: config.image.clone(),
            runtime: config.runtime.clone(),
            tools,
            is_podman,
        };
        let way = find_way(&unprobed, &unprobed.address, &info, &config.home).await?;
        let report = report::report(&info, runtime, way.why_bridged());
        Ok(Self { way, report, ..unprobed })
    }

    /// The daemon did not answer a question that it answered before.
    pub(crate) fn lost(&self, error: &bollard::errors::Error) -> EngineError {
        self.address.unreachable(error)
    }

    /// The name of a job's container, and of its volume.
    pub(crate) fn name(&self, job: JobId) -> String {
        name(&self.owner, job)
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.is_podman
    }

    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// Makes a sandbox's container as things are.
    pub(crate) async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.create_at(spec, self.places(spec.job)).await
    }

    pub(crate) async fn create_at(
        &self,
        spec: &SandboxSpec,
        places: Places,
    ) -> Result<(), EngineError> {
        let image = spec.image.as_deref().unwrap_or(&self.image);
        let tools = self.tools.volume(&self.docker, &self.owner, &self.image).await?;
        let plan = Plan {
            owner: &self.owner,
            job: spec.job,
            image,
            limits: &spec.limits,
            runtime: self.runtime.as_deref(),
            tools: &tools,
            places,
            is_podman: self.is_podman,
        };
        let made = self.make(&self.name(spec.job), plan.body()).await;
        made.map_err(|e| match status(&e) {
            Some(409) => EngineError::Exists(spec.job),
            _ => refused(image, &e).unwrap_or_else(|| failed(spec.job, "create its container", &e)),
        })
    }

    async fn make(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<(), bollard::errors::Error> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        self.docker.create_container(Some(options), body).await.map(drop)
    }

    fn places(&self, job: JobId) -> Places {
        match &self.way {
            Way::Mounted { home } => Places::mounted(&home.join(job.to_string())),
            Way::Bridged { .. } => Places::Bridged { workspace: self.name(job) },
        }
    }

    /// Kills everything in a container and removes it, and the volume it may have. No error if it is
    /// gone.
    pub(crate) async fn remove(&self, job: JobId, has_volume: bool) -> Result<(), EngineError> {
        use bollard::query_parameters::{
            RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
        };
        let name = self.name(job);
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(&name, Some(options)).await {
            // The second: somebody removes it at this moment.
            Err(e) if !is_gone(&e) && status(&e) != Some(409) => {
                return Err(failed(job, "remove its container", &e));
            }
            _ => {}
        }
        if !has_volume {
            return Ok(());
        }
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        match self.docker.remove_volume(&name, Some(options)).await {
            Err(e) if !is_gone(&e) => Err(failed(job, "remove its volume", &e)),
            _ => Ok(()),
        }
    }
}

impl Places {
    /// Those of a sandbox whose folder the daemon finds here.
    pub(crate) fn mounted(folder: &Path) -> Self {
        let in_folder = |name| folder.join(name).to_string_lossy().into_owned();
        Self::Mounted { gateway: in_folder("gateway"), workspace: in_folder("workspace") }
    }
}
