//! Finds out how sandboxes are reached: a container is made like a job's, and if its agentd finds the
//! socket that we put into our directory, directories can be mounted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::SystemInfo;
use engine::{EngineError, SandboxSpec};
use tokio::io::AsyncReadExt;
use types::{JobId, Limits};

use crate::container::Places;
use crate::daemon::{Address, root_of};
use crate::folder::{Folder, io_error};
use crate::link::Link;
use crate::{own, report, socket};

/// How long agentd may take to find the socket. A cold gVisor on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether the container has ended.
const LOOK: Duration = Duration::from_millis(500);

/// How sandboxes are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By directories of ours that the daemon mounts.
    Mounted {
        /// Our home, where the daemon finds it.
        home: PathBuf,
    },
    /// By the daemon's API alone.
    Bridged {
        /// Why not by directories.
        why: String,
    },
}

impl Way {
    pub(crate) fn why_bridged(&self) -> Option<&str> {
        match self {
            Self::Mounted { .. } => None,
            Self::Bridged { why } => Some(why),
        }
    }
}

/// Finds it out.
pub(crate) async fn find_way(
    link: &Link,
    address: &Address,
    info: &SystemInfo,
    home: &Path,
) -> Result<Way, EngineError> {
    let tried = match hopeless(address, info, rustix::process::geteuid().is_root()) {
        Some(why) => Err(why.into()),
        None => try_mounts(link, home).await?,
    };
    Ok(tried.map_or_else(|why| Way::Bridged { why }, |home| Way::Mounted { home }))
}

/// Why there is no need to try.
fn hopeless(address: &Address, info: &SystemInfo, is_root: bool) -> Option<&'static str> {
    match address {
        Address::Tcp(_) => Some("the daemon is reached over TCP"),
        Address::Unix(_) if !is_root => Some("cagent does not run as root"),
        Address::Unix(_) if report::remaps_users(info) => {
            Some("the daemon gives containers other users")
        }
        Address::Unix(_) => None,
    }
}

/// Our home as the daemon knows it, or why mounting it does not do.
async fn try_mounts(link: &Link, home: &Path) -> Result<Result<PathBuf, String>, EngineError> {
    let job = JobId::generate();
    let folder = Folder::of(home, job);
    folder.make(None)?;
    let outside = own::seen_by_daemon(&link.docker, home).await;
    let name = link.name(job, &folder.begin_try()?);
    let tried = try_one(link, &folder, &outside, (job, &name)).await;
    let removed = link.remove(job, &folder, false).await;
    folder.remove()?;
    removed?;
    Ok(tried?.map(|()| outside))
}

async fn try_one(
    link: &Link,
    folder: &Folder,
    outside: &Path,
    (job, name): (JobId, &str),
) -> Result<Result<(), String>, EngineError> {
    let gateway = folder.gateway();
    let listener = socket::listen(&gateway).map_err(|e| io_error("listen in", &gateway, e))?;
    let spec = SandboxSpec { job, limits: Limits::default(), image: None };
    match link.create_at(&spec, name, Places::mounted(&outside.join(job.to_string()))).await {
        Err(EngineError::Setup { message, .. }) => return Ok(Err(message)),
        other => other?,
    }
    if let Err(e) = link.docker.start_container(name, None).await {
        return Ok(Err(root_of(&e)));
    }
    let heard = async {
        let (mut stream, _) = listener.accept().await.map_err(|e| e.to_string())?;
        stream.read_u8().await.map(drop).map_err(|e| e.to_string())
    };
    Ok(tokio::select! {
        heard = heard => heard,
        why = ended(link, name) => Err(why),
        () = tokio::time::sleep(PATIENCE) => Err("its containers do not reach our directories' sockets".into()),
    })
}

/// Why the container is no more, once that is so.
async fn ended(link: &Link, name: &str) -> String {
    loop {
        tokio::time::sleep(LOOK).await;
        match link.docker.inspect_container(name, None).await {
            Err(e) => return root_of(&e),
            Ok(found) if found.state.as_ref().is_some_and(|state| state.running == Some(false)) => {
                return format!(
                    "a container ended at once: {:?}",
                    found.state.and_then(|s| s.exit_code)
                );
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tried_that_cannot_work() {
        let (unix, tcp) = (Address::Unix("/x".into()), Address::Tcp("h:1".into()));
        let plain = SystemInfo::default();
        let rootless =
            SystemInfo { security_options: Some(vec!["name=rootless".into()]), ..plain.clone() };
        assert!(hopeless(&unix, &plain, true).is_none());
        assert!(hopeless(&tcp, &plain, true).is_some());
        assert!(hopeless(&unix, &plain, false).is_some());
        assert!(hopeless(&unix, &rootless, true).is_some());
    }
}
