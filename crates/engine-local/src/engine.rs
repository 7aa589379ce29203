use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::{Ended, Engine, EngineError, SandboxSpec, SandboxState, Workspace};
use types::{Isolation, JobId, SandboxReport, Usage};

use crate::cgroup::{Missing, Place};
use crate::client::{self, Answer, io_error};
use crate::control::{Call, Reply};
use crate::disk::{Workspaces, has_image};
use crate::patience::patiently;
use crate::plan::{Plan, Users, VERSION};
use crate::uids::Uids;
use crate::{LocalConfig, folder, hung, inside, report, start, sweep};

/// The embedded engine.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: LocalConfig,
    uids: Uids,
    place: Place,
    missing: Vec<Missing>,
    workspaces: Workspaces,
}

/// How long everything inside may take to die of SIGKILL.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How long a helper may take to answer before we look what is the matter with it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// How often to look whether a sandbox that somebody waits for was started.
const START_POLL: Duration = Duration::from_millis(50);

impl LocalEngine {
    /// Opens the engine on its folder, finds what an earlier orchestrator left there, and tries out
    /// which limits hold. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] with the cure if this machine or the configuration does not
    /// allow it, [`EngineError::Io`] if a file cannot be used.
    pub fn open(config: LocalConfig) -> Result<Self, EngineError> {
        report::check_kernel()?;
        config.check()?;
        let config = LocalConfig {
            home: make_home(&config.home)?,
            helper: canonical(&config.helper)?,
            tools: canonical(&config.tools)?,
            ..config
        };
        let swept = sweep::finish_interrupted(&config.home);
        swept.map_err(|e| io_error("clean up in", &config.home, e))?;
        let uids = Uids::open(config.uids)?;
        for (_, folder) in sandboxes(&config.home)? {
            let plan =
                client::plan_of(&folder).map_err(|e| io_error("read the plan in", &folder, e))?;
            if let Some(plan) = plan {
                uids.keep(plan.users, &folder)?;
            }
        }
        let (place, missing) = Place::find();
        place.sweep();
        let workspaces = Workspaces::open(&config.home, matches!(uids, Uids::Own(_)));
        Ok(Self { inner: Arc::new(Inner { config, uids, place, missing, workspaces }) })
    }

    /// Makes a sandbox that runs this command in place of agentd.
    pub(crate) async fn create_with(
        &self,
        spec: &SandboxSpec,
        command: Vec<String>,
    ) -> Result<(), EngineError> {
        let (inner, spec) = (Arc::clone(&self.inner), spec.clone());
        blocking(move || inner.create(&spec, command)).await
    }

    /// What PID 1 wrote to stdout and stderr, once it has ended: the last 16 KiB.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn last_words(&self, job: JobId) -> Result<String, EngineError> {
        let path = self.inner.folder(job).join(folder::AGENT_LOG);
        let bytes = std::fs::read(&path).map_err(|e| io_error("read", &path, e))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The cgroup version whose limits hold, for people.
    pub(crate) fn cgroup_version(&self) -> &'static str {
        self.inner.place.version()
    }

    /// The folder of a sandbox, if there is one.
    fn existing(&self, job: JobId) -> Result<PathBuf, EngineError> {
        let folder = self.inner.folder(job);
        if folder.is_dir() { Ok(folder) } else { Err(EngineError::NotFound(job)) }
    }
}

#[async_trait]
impl Engine for LocalEngine {
    fn name(&self) -> &'static str {
        inside::ENGINE
    }

    async fn report(&self) -> Result<SandboxReport, EngineError> {
        Ok(SandboxReport {
            engine: self.name().into(),
            isolation: Isolation::Namespace,
            shortfalls: report::shortfalls(
                &self.inner.missing,
                self.inner.workspaces.no_images().as_deref(),
                report::most_open_files(),
                self.command_user().is_some(),
            ),
        })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.create_with(spec, agentd()).await
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.existing(job)?;
        let inner = Arc::clone(&self.inner);
        let mounted = folder.clone();
        let mount = blocking(move || inner.workspaces.mount(&mounted)).await?;
        start::start(&self.inner.config.helper, &folder, mount, job).await
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.existing(job)?;
        let begun = Instant::now();
        loop {
            let asked = client::ask(&folder, Call::Stop);
            let Ok(answer) = tokio::time::timeout(ANSWER_PATIENCE, asked).await else {
                if hung::end(&folder, begun.elapsed() > STOP_PATIENCE).await? {
                    return Ok(());
                }
                continue;
            };
            return match answer? {
                Answer::Said(Reply::Refused { message }) => Err(refused(&folder, message)),
                Answer::Said(_) | Answer::NotStarted | Answer::Gone(_) => Ok(()),
            };
        }
    }

    async fn wait(&self, job: JobId) -> Result<Ended, EngineError> {
        loop {
            let folder = self.existing(job)?;
            match client::ask(&folder, Call::Wait).await? {
                Answer::Said(Reply::Ended(ended)) => return Ok(ended),
                Answer::Said(reply) => return Err(refused(&folder, format!("{reply:?}"))),
                Answer::Gone(ended) => return Ok(ended),
                Answer::NotStarted => tokio::time::sleep(START_POLL).await,
            }
        }
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        let home = self.inner.config.home.clone();
        let found = blocking(move || {
            // What cannot be removed now can be later.
            let _ = sweep::finish_interrupted(&home);
            sandboxes(&home)
        });
        let mut all = Vec::new();
        for (job, folder) in found.await? {
            all.push((job, client::state(&folder).await?));
        }
        Ok(all)
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        let folder = self.existing(job)?;
        let asked = tokio::time::timeout(ANSWER_PATIENCE, client::ask(&folder, Call::Stats)).await;
        let late = EngineError::TimedOut { job, what: "the measuring", limit: ANSWER_PATIENCE };
        match asked.map_err(|_| late)?? {
            Answer::Said(Reply::Stats(usage)) => Ok(usage),
            Answer::Said(reply) => Err(refused(&folder, format!("{reply:?}"))),
            Answer::NotStarted => Ok(Usage::default()),
            Answer::Gone(ended) => Ok(ended.usage),
        }
    }

    async fn remove(&self, job: JobId) -> Result<(), EngineError> {
        let inner = Arc::clone(&self.inner);
        // First: what a running sandbox still has to write could fill the disk while it ends.
        let discard = move || {
            inner.workspaces.discard(&inner.folder(job));
            Ok(())
        };
        blocking(discard).await?;
        match self.stop(job).await {
            // There may be what an earlier attempt did not get done.
            Err(EngineError::NotFound(_)) => {}
            other => other?,
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.remove(job)).await
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        self.stop(job).await?;
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.keep(job)).await
    }

    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        let is_ours = self.inner.folder(spec.job).is_dir();
        self.stop(if is_ours { spec.job } else { from }).await?;
        let (inner, spec) = (Arc::clone(&self.inner), spec.clone());
        blocking(move || inner.adopt(from, &spec, agentd())).await
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        let folder = self.existing(job)?;
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.workspaces.workspace(&folder)).await
    }

    fn gateway_dir(&self, job: JobId) -> PathBuf {
        self.inner.folder(job).join(folder::GATEWAY)
    }

    fn command_user(&self) -> Option<u32> {
        matches!(self.inner.uids, Uids::Own(_)).then_some(protocol::COMMAND_ID)
    }
}

impl Inner {
    fn folder(&self, job: JobId) -> PathBuf {
        self.config.home.join(job.to_string())
    }

    fn create(&self, spec: &SandboxSpec, command: Vec<String>) -> Result<(), EngineError> {
        let folder = self.folder(spec.job);
        folder::make_dir(&folder).map_err(|e| match e {
            EngineError::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
                EngineError::Exists(spec.job)
            }
            other => other,
        })?;
        let mut taken = None;
        let filled = self.uids.take(&folder).and_then(|users| {
            taken = Some(users);
            self.fill(&folder, spec, users, command)
        });
        filled.inspect_err(|_| {
            // The first error says more than a second one would.
            if self.sweep(spec.job).is_ok() {
                taken.into_iter().for_each(|users| self.uids.release(users, &folder));
            }
        })
    }

    fn fill(
        &self,
        folder: &Path,
        spec: &SandboxSpec,
        users: Users,
        command: Vec<String>,
    ) -> Result<(), EngineError> {
        let image = self.workspaces.no_images().is_none();
        let layered = self.write_plan(folder, spec, users, command, image)?;
        make_gateway(folder, users)?;
        self.workspaces.make(folder, spec.limits.disk_bytes, users, layered)
    }

    /// Writes down how a sandbox is to be made; whether it is layered on a root file system.
    fn write_plan(
        &self,
        folder: &Path,
        spec: &SandboxSpec,
        users: Users,
        command: Vec<String>,
        image: bool,
    ) -> Result<bool, EngineError> {
        let root = spec.image.as_deref().map(|name| self.config.root(name)).transpose()?;
        let layered = root.is_some();
        let identity = engine::identity(folder).map_err(|e| io_error("look at", folder, e))?;
        let plan = Plan {
            version: VERSION,
            limits: spec.limits,
            users,
            place: self.place.clone(),
            // Not the job's alone: a copy of the data directory may have the same one beside it.
            name: format!("{}.{identity}", spec.job),
            tools: self.config.tools.clone(),
            expose: self.config.expose.clone(),
            ca_bundle: engine::ca_bundle(),
            path: self.config.path_inside(),
            root,
            folder: Some(identity),
            image,
            command,
        };
        let (file, new) = (folder.join(folder::PLAN), folder.join(folder::NEW_PLAN));
        let written = serde_json::to_vec(&plan).map_err(Into::into);
        let written = written.and_then(|text| std::fs::write(&new, text));
        let written = written.and_then(|()| std::fs::rename(&new, &file));
        written.map(|()| layered).map_err(|e| io_error("write", &file, e))
    }

    /// Unmounts the workspace of an ended sandbox, which stays, and removes its cgroups.
    fn keep(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        self.remove_groups(&folder)?;
        self.workspaces.release(&folder).ok_or(EngineError::NotFound(job))
    }

    /// Makes a sandbox of what an ended one left, or of what an earlier call made of that.
    fn adopt(
        &self,
        from: JobId,
        spec: &SandboxSpec,
        command: Vec<String>,
    ) -> Result<(), EngineError> {
        let (old, new) = (self.folder(from), self.folder(spec.job));
        let at = if new.is_dir() { &new } else { &old };
        let users = self.remove_groups(at)?.ok_or(EngineError::NotFound(from))?.users;
        self.workspaces.release(at).ok_or(EngineError::NotFound(from))?;
        self.uids.hand_over(users, &old, &new)?;
        folder::forget_run(&new)?;
        make_gateway(&new, users)?;
        self.write_plan(&new, spec, users, command, has_image(&new)).map(drop)
    }

    /// Removes all files of a sandbox.
    fn sweep(&self, job: JobId) -> std::io::Result<()> {
        let swept = patiently(|| sweep::remove(&self.config.home, &job.to_string()));
        // In this order, so that nobody can mount it again.
        self.workspaces.discard(&self.folder(job));
        swept
    }

    /// Removes what an ended sandbox left. The cgroups are there only if the helper was killed.
    fn remove(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        let plan = self.remove_groups(&folder)?;
        self.sweep(job).map_err(|e| io_error("remove", &folder, e))?;
        // Last: nobody else may get these users while a file of theirs is there.
        plan.into_iter().for_each(|plan| self.uids.release(plan.users, &folder));
        Ok(())
    }

    /// Removes the cgroups of an ended sandbox, and says what it was made from.
    fn remove_groups(&self, folder: &Path) -> Result<Option<Plan>, EngineError> {
        let plan = patiently(|| client::plan_of(folder));
        let plan = plan.map_err(|e| io_error("read the plan in", folder, e))?;
        // Those of a copied folder are the original's, which may live.
        if let Some(plan) = plan.as_ref().filter(|plan| is_for(plan, folder)) {
            let removed = plan.place.group(&plan.name, &plan.limits).remove();
            removed.map_err(|e| io_error("remove the cgroups of", folder, e))?;
        }
        Ok(plan)
    }
}

/// Whether a plan was made for this folder, not for one that it is a copy of.
fn is_for(plan: &Plan, folder: &Path) -> bool {
    let found = engine::identity(folder).ok();
    plan.folder.is_none() || plan.folder == found
}

fn agentd() -> Vec<String> {
    vec![format!("{}/bin/agentd", protocol::TOOLS)]
}

fn make_gateway(folder: &Path, users: Users) -> Result<(), EngineError> {
    let agentd = match users {
        Users::Separate { agentd, .. } => Some(agentd),
        Users::Shared { .. } => None,
    };
    folder::make_dir_of(&folder.join(folder::GATEWAY), agentd)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| EngineError::Exhausted(format!("the work was cut off: {e}")))?
}

fn refused(folder: &Path, message: String) -> EngineError {
    io_error("ask the helper at", &folder.join(folder::SOCKET), std::io::Error::other(message))
}

/// Every sandbox of a home: its job and its folder.
fn sandboxes(home: &Path) -> Result<Vec<(JobId, PathBuf)>, EngineError> {
    let failed = |e| io_error("list", home, e);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(home).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let job = entry.file_name().to_str().and_then(|name| name.parse().ok());
        all.extend(job.map(|job| (job, entry.path())));
    }
    Ok(all)
}

fn make_home(home: &Path) -> Result<PathBuf, EngineError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.map_err(|e| io_error("create", home, e))?;
    canonical(home)
}

fn canonical(path: &Path) -> Result<PathBuf, EngineError> {
    path.canonicalize().map_err(|e| io_error("find", path, e))
}
