//! What of sandboxes lies in the engine's folder: made, found, handed on, removed. All of it blocks.
//!
//! Not here: what runs in them ([`crate::engine`] asks their helpers).

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use engine::{EngineError, SandboxSpec};
use types::JobId;

use crate::cgroup::{Missing, Place};
use crate::client::{self, io_error};
use crate::disk::{Workspaces, has_image};
use crate::patience::patiently;
use crate::plan::{Plan, Users, VERSION};
use crate::uids::Uids;
use crate::{LocalConfig, folder, sweep};

/// The folder, and what its sandboxes share.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) config: LocalConfig,
    pub(crate) uids: Uids,
    pub(crate) place: Place,
    /// Limits that do not hold here.
    pub(crate) missing: Vec<Missing>,
    pub(crate) workspaces: Workspaces,
}

impl Home {
    /// Opens the folder that the sandboxes are in, finds what an earlier orchestrator left there, and tries
    /// out which limits hold.
    pub(crate) fn open(config: LocalConfig) -> Result<Self, EngineError> {
        let config = LocalConfig {
            home: make_home(&config.home)?,
            helper: canonical(&config.helper)?,
            tools: canonical(&config.tools)?,
            ..config
        };
        let swept = sweep::finish_interrupted(&config.home);
        swept.map_err(|e| io_error("clean up in", &config.home, e))?;
        let uids = Uids::open(config.uids)?;
        for (_, folder) in list(&config.home)? {
            let plan =
                client::plan_of(&folder).map_err(|e| io_error("read the plan in", &folder, e))?;
            if let Some(plan) = plan {
                uids.keep(plan.users, &folder)?;
            }
        }
        let (place, missing) = Place::find();
        place.sweep();
        let workspaces = Workspaces::open(&config.home, matches!(uids, Uids::Own(_)));
        Ok(Self { config, uids, place, missing, workspaces })
    }

    /// Every sandbox: its job and its folder.
    pub(crate) fn list(&self) -> Result<Vec<(JobId, PathBuf)>, EngineError> {
        // What cannot be removed now can be later.
        let _ = sweep::finish_interrupted(&self.config.home);
        list(&self.config.home)
    }

    pub(crate) fn folder(&self, job: JobId) -> PathBuf {
        self.config.home.join(job.to_string())
    }

    /// The folder of a sandbox, if there is one.
    pub(crate) fn existing(&self, job: JobId) -> Result<PathBuf, EngineError> {
        let folder = self.folder(job);
        if folder.is_dir() { Ok(folder) } else { Err(EngineError::NotFound(job)) }
    }

    pub(crate) fn create(
        &self,
        spec: &SandboxSpec,
        command: Vec<String>,
    ) -> Result<(), EngineError> {
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

    /// Removes what an ended sandbox left. The cgroups are there only if the helper was killed.
    pub(crate) fn remove(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        let plan = self.remove_groups(&folder)?;
        self.sweep(job).map_err(|e| io_error("remove", &folder, e))?;
        // Last: nobody else may get these users while a file of theirs is there.
        plan.into_iter().for_each(|plan| self.uids.release(plan.users, &folder));
        Ok(())
    }

    /// Unmounts the workspace of an ended sandbox, which stays, and removes its cgroups.
    pub(crate) fn keep(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.folder(job);
        self.remove_groups(&folder)?;
        self.workspaces.release(&folder).ok_or(EngineError::NotFound(job))
    }

    /// Makes a sandbox of what an ended one left, or of what an earlier call made of that.
    pub(crate) fn adopt(
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

    /// Removes all files of a sandbox.
    fn sweep(&self, job: JobId) -> std::io::Result<()> {
        let swept = patiently(|| sweep::remove(&self.config.home, &job.to_string()));
        // In this order, so that nobody can mount it again.
        self.workspaces.discard(&self.folder(job));
        swept
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

fn make_gateway(folder: &Path, users: Users) -> Result<(), EngineError> {
    let agentd = match users {
        Users::Separate { agentd, .. } => Some(agentd),
        Users::Shared { .. } => None,
    };
    folder::make_dir_of(&folder.join(folder::GATEWAY), agentd)
}

/// Every sandbox of a home: its job and its folder.
fn list(home: &Path) -> Result<Vec<(JobId, PathBuf)>, EngineError> {
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
