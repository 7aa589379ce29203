//! The engine's calls: what lies in its folder is asked of [`crate::home`], what runs of its helpers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::{Ended, Engine, EngineError, SandboxSpec, SandboxState, Workspace};
use types::{Isolation, JobId, SandboxReport, Usage};

use crate::client::{self, Answer, io_error};
use crate::control::{Call, Reply};
use crate::home::Home;
use crate::uids::Uids;
use crate::{LocalConfig, folder, hung, inside, report, start};

/// The embedded engine.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    home: Arc<Home>,
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
        Ok(Self { home: Arc::new(Home::open(config)?) })
    }

    /// Makes a sandbox that runs this command in place of agentd.
    pub(crate) async fn create_with(
        &self,
        spec: &SandboxSpec,
        command: Vec<String>,
    ) -> Result<(), EngineError> {
        let (home, spec) = (Arc::clone(&self.home), spec.clone());
        blocking(move || home.create(&spec, command)).await
    }

    /// What PID 1 wrote to stdout and stderr, once it has ended: the last 16 KiB.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn last_words(&self, job: JobId) -> Result<String, EngineError> {
        let path = self.home.folder(job).join(folder::AGENT_LOG);
        let bytes = std::fs::read(&path).map_err(|e| io_error("read", &path, e))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The cgroup version whose limits hold, for people.
    pub(crate) fn cgroup_version(&self) -> &'static str {
        self.home.place.version()
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
                &self.home.missing,
                self.home.workspaces.no_images().as_deref(),
                report::most_open_files(),
                self.command_user().is_some(),
            ),
        })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        self.create_with(spec, agentd()).await
    }

    async fn start(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.home.existing(job)?;
        let (home, mounted) = (Arc::clone(&self.home), folder.clone());
        let mount = blocking(move || home.workspaces.mount(&mounted)).await?;
        start::start(&self.home.config.helper, &folder, mount, job).await
    }

    async fn stop(&self, job: JobId) -> Result<(), EngineError> {
        let folder = self.home.existing(job)?;
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
            let folder = self.home.existing(job)?;
            match client::ask(&folder, Call::Wait).await? {
                Answer::Said(Reply::Ended(ended)) => return Ok(ended),
                Answer::Said(reply) => return Err(refused(&folder, format!("{reply:?}"))),
                Answer::Gone(ended) => return Ok(ended),
                Answer::NotStarted => tokio::time::sleep(START_POLL).await,
            }
        }
    }

    async fn list(&self) -> Result<Vec<(JobId, SandboxState)>, EngineError> {
        let home = Arc::clone(&self.home);
        let mut all = Vec::new();
        for (job, folder) in blocking(move || home.list()).await? {
            all.push((job, client::state(&folder).await?));
        }
        Ok(all)
    }

    async fn stats(&self, job: JobId) -> Result<Usage, EngineError> {
        let folder = self.home.existing(job)?;
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
        let home = Arc::clone(&self.home);
        // First: what a running sandbox still has to write could fill the disk while it ends.
        let discard = move || {
            home.workspaces.discard(&home.folder(job));
            Ok(())
        };
        blocking(discard).await?;
        match self.stop(job).await {
            // There may be what an earlier attempt did not get done.
            Err(EngineError::NotFound(_)) => {}
            other => other?,
        }
        let home = Arc::clone(&self.home);
        blocking(move || home.remove(job)).await
    }

    async fn keep(&self, job: JobId) -> Result<(), EngineError> {
        self.stop(job).await?;
        let home = Arc::clone(&self.home);
        blocking(move || home.keep(job)).await
    }

    async fn adopt(&self, from: JobId, spec: &SandboxSpec) -> Result<(), EngineError> {
        let is_ours = self.home.folder(spec.job).is_dir();
        self.stop(if is_ours { spec.job } else { from }).await?;
        let (home, spec) = (Arc::clone(&self.home), spec.clone());
        blocking(move || home.adopt(from, &spec, agentd())).await
    }

    async fn workspace(&self, job: JobId) -> Result<Workspace, EngineError> {
        let folder = self.home.existing(job)?;
        let home = Arc::clone(&self.home);
        blocking(move || home.workspaces.workspace(&folder)).await
    }

    fn gateway_dir(&self, job: JobId) -> PathBuf {
        self.home.folder(job).join(folder::GATEWAY)
    }

    fn command_user(&self) -> Option<u32> {
        matches!(self.home.uids, Uids::Own(_)).then_some(protocol::COMMAND_ID)
    }
}

fn agentd() -> Vec<String> {
    vec![format!("{}/bin/agentd", protocol::TOOLS)]
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
