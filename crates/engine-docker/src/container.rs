//! What a sandbox's container is made from. Pure.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, ResourcesUlimits,
};
use types::{JobId, Limits};

/// Labels, by which another orchestrator goes on with a container.
pub(crate) const OWNER: &str = "cagent.owner";
pub(crate) const JOB: &str = "cagent.job";
pub(crate) const WALL: &str = "cagent.wall_seconds";
pub(crate) const DISK: &str = "cagent.disk_bytes";
pub(crate) const BRIDGED: &str = "cagent.bridged";

/// What agentd, as container root, needs to run commands as another user and to end them.
const CAPABILITIES: [&str; 3] = ["SETUID", "SETGID", "KILL"];

/// Home of the job's user.
const HOME: &str = "/home/agent";

/// Where agentd keeps the scripts of steps.
const STEPS: &str = "/run/steps";

/// Signals and timers of one user that may wait at once, so that other programs of the daemon's machine
/// under this uid find some left. Few programs queue any.
const PENDING_SIGNALS: u64 = 4096;

/// Processes of one user in all of Podman's containers, if a job does not ask for more.
const PODMAN_PROCESSES: u32 = 4096;

/// agentd's last words are short.
const LOG_SIZE: &str = "64k";

/// Where a sandbox's gateway and workspace come from, on the daemon's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Directories of the daemon's machine.
    Mounted {
        /// Seen as `/run/cagent`.
        gateway: String,
        /// Seen as `/workspace`.
        workspace: String,
    },
    /// A volume; the gateway comes in by `exec`.
    Bridged {
        /// Seen as `/workspace`.
        workspace: String,
    },
}

/// All that decides how a container looks.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    /// Whose data directory it belongs to.
    pub(crate) owner: &'a str,
    pub(crate) job: JobId,
    pub(crate) image: &'a str,
    pub(crate) limits: &'a Limits,
    pub(crate) runtime: Option<&'a str>,
    /// The volume with our programs.
    pub(crate) tools: &'a str,
    pub(crate) places: Places,
    /// What the image declares as volumes.
    pub(crate) volumes: &'a [String],
    /// Whether it is for Podman, which knows no owner of a tmpfs, and by itself sets a limit of
    /// processes per user that not every root may set.
    pub(crate) is_podman: bool,
}

impl Plan<'_> {
    /// What the daemon is asked to make.
    pub(crate) fn body(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.into()),
            hostname: Some("sandbox".into()),
            user: Some("0:0".into()),
            working_dir: Some(protocol::WORKSPACE.into()),
            // What the image sets stays; agentd passes it on.
            env: Some(vec![format!("HOME={HOME}"), format!("{}=1", protocol::IMAGE_VARIABLE)]),
            entrypoint: Some(vec![format!("{}/bin/agentd", protocol::TOOLS)]),
            cmd: Some(vec![]),
            labels: Some(self.labels()),
            stop_signal: Some("SIGKILL".into()),
            healthcheck: Some(no_healthcheck()),
            host_config: Some(self.host_config()),
            ..ContainerCreateBody::default()
        }
    }

    fn labels(&self) -> HashMap<String, String> {
        let bridged = matches!(self.places, Places::Bridged { .. });
        let all = [
            (OWNER, self.owner.to_owned()),
            (JOB, self.job.to_string()),
            (WALL, self.limits.wall_seconds.to_string()),
            (DISK, self.limits.disk_bytes.to_string()),
            (BRIDGED, bridged.to_string()),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn host_config(&self) -> HostConfig {
        let limits = self.limits;
        let memory = signed(limits.memory_bytes);
        #[expect(clippy::cast_possible_truncation, reason = "far below 2^63: limits are checked")]
        let nano_cpus = (limits.cpus * 1e9) as i64;
        HostConfig {
            network_mode: Some("none".into()),
            // Nobody answers there; that of the host would be told otherwise.
            dns: Some(vec!["127.0.0.1".into()]),
            ipc_mode: Some("private".into()),
            readonly_rootfs: Some(true),
            tmpfs: Some(self.tmpfs()),
            mounts: Some(self.mounts()),
            cap_drop: Some(vec!["ALL".into()]),
            cap_add: Some(CAPABILITIES.map(String::from).into()),
            security_opt: Some(vec!["no-new-privileges".into()]),
            init: Some(false),
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: Some(nano_cpus),
            pids_limit: Some(limits.processes.into()),
            ulimits: Some(self.ulimits()),
            // It counts as the job's memory in any case.
            shm_size: Some(memory / 2),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".into()),
                config: Some([("max-size".into(), LOG_SIZE.into())].into()),
            }),
            runtime: self.runtime.map(Into::into),
            ..HostConfig::default()
        }
    }

    fn ulimits(&self) -> Vec<ResourcesUlimits> {
        let limits = self.limits;
        let mut all = vec![
            ulimit("nofile", limits.open_files.into()),
            ulimit("fsize", limits.file_bytes),
            ulimit("core", 0),
            ulimit("sigpending", PENDING_SIGNALS),
        ];
        if self.is_podman {
            all.push(ulimit("nproc", limits.processes.max(PODMAN_PROCESSES).into()));
        }
        all
    }

    /// Places in memory. A volume of the image would be on the daemon's disk, and no limit knew of it.
    fn tmpfs(&self) -> HashMap<String, String> {
        let options = format!("exec,mode=1777,size={}", self.limits.memory_bytes / 2);
        let mounts = self.mounts();
        let is_mounted =
            |path: &String| mounts.iter().any(|mount| mount.target.as_ref() == Some(path));
        let volumes = self.volumes.iter().map(|path| plain(path)).filter(|path| !is_mounted(path));
        let mut all: HashMap<_, _> = volumes.map(|path| (path, options.clone())).collect();
        all.extend(own_tmpfs(self.is_podman));
        all
    }

    fn mounts(&self) -> Vec<Mount> {
        let tools = volume(self.tools, protocol::TOOLS, true);
        match &self.places {
            Places::Mounted { gateway, workspace } => {
                // Connecting writes to no file system.
                let gateway = bind(gateway, GATEWAY, true);
                vec![tools, gateway, bind(workspace, protocol::WORKSPACE, false)]
            }
            Places::Bridged { workspace } => {
                vec![tools, volume(workspace, protocol::WORKSPACE, false)]
            }
        }
    }
}

/// What an image has for it runs as container root, in places that the job can write.
pub(crate) fn no_healthcheck() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() }
}

/// Where a sandbox sees the gateway's directory.
const GATEWAY: &str = "/run/cagent";

fn own_tmpfs(is_podman: bool) -> [(String, String); 4] {
    let home = if is_podman { "exec,mode=1777" } else { "exec,mode=0755,uid=1000,gid=1000" };
    let all = [
        ("/tmp", "exec,mode=1777"),
        (HOME, home),
        ("/run", "exec,mode=0755"),
        (STEPS, "exec,mode=0755"),
    ];
    all.map(|(path, options)| (path.to_owned(), options.to_owned()))
}

/// A path of an image as it is meant: from the root, without what means nothing.
fn plain(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}

fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.into()),
        target: Some(target.into()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

pub(crate) fn volume(source: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(source.into()),
        target: Some(target.into()),
        read_only: Some(read_only),
        // Nothing of the image belongs in there.
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..Default::default() }),
        ..Mount::default()
    }
}

fn ulimit(name: &str, most: u64) -> ResourcesUlimits {
    let most = Some(signed(most));
    ResourcesUlimits { name: Some(name.into()), soft: most, hard: most }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(places: Places) -> ContainerCreateBody {
        let limits = Limits { cpus: 1.5, memory_bytes: 1 << 30, ..Limits::default() };
        let plan = Plan {
            owner: "o",
            job: JobId::generate(),
            image: "i",
            limits: &limits,
            runtime: None,
            tools: "t",
            places,
            volumes: &["/data/".into(), "rel".into(), "/tmp".into(), "/workspace/".into()],
            is_podman: false,
        };
        plan.body()
    }

    #[test]
    fn a_container_has_no_network_no_rights_and_limits() {
        let body = body(Places::Bridged { workspace: "v".into() });
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.cap_add.unwrap(), CAPABILITIES);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!((host.nano_cpus, host.memory), (Some(1_500_000_000), Some(1 << 30)));
        assert_eq!(host.memory, host.memory_swap);
        assert!(host.privileged.is_none() && host.devices.is_none() && host.binds.is_none());
        let writable: Vec<_> =
            host.mounts.unwrap().into_iter().filter(|m| m.read_only != Some(true)).collect();
        assert!(matches!(&writable[..], [one] if one.target.as_deref() == Some("/workspace")));
    }

    #[test]
    fn volumes_of_the_image_are_in_memory() {
        let host = body(Places::Bridged { workspace: "v".into() }).host_config.unwrap();
        let tmpfs = host.tmpfs.unwrap();
        for path in ["/data", "/rel"] {
            assert!(tmpfs[path].ends_with("size=536870912"), "{tmpfs:?}");
        }
        assert_eq!(tmpfs["/tmp"], "exec,mode=1777", "ours stay ours");
        assert!(!tmpfs.contains_key("/workspace"), "{tmpfs:?}");
    }

    #[test]
    fn mounted_it_sees_its_own_two_directories() {
        let places = Places::Mounted { gateway: "/h/g".into(), workspace: "/h/w".into() };
        let mounts = body(places).host_config.unwrap().mounts.unwrap();
        let binds: Vec<_> = mounts.iter().filter(|m| m.typ == Some(MountType::BIND)).collect();
        let [gateway, workspace] = &binds[..] else { panic!("{mounts:?}") };
        assert_eq!(
            (gateway.source.as_deref(), gateway.target.as_deref()),
            (Some("/h/g"), Some(GATEWAY))
        );
        assert_eq!(workspace.source.as_deref(), Some("/h/w"));
        assert_eq!((gateway.read_only, workspace.read_only), (Some(true), Some(false)));
    }
}
