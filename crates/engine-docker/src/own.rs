//! Where our own directories are for the daemon, also where we run in one of its containers.

use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::MountPoint;

/// The files that a daemon mounts into each of its containers, from a folder with the container's id.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// What the daemon has to mount for a container to see this directory of ours.
pub(crate) async fn seen_by_daemon(docker: &Docker, path: &Path) -> PathBuf {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let Some(id) = own_id(&table) else { return path.into() };
    // A daemon that does not know us is not the one that runs us.
    let Ok(found) = docker.inspect_container(&id, None).await else { return path.into() };
    translate(&found.mounts.unwrap_or_default(), path).unwrap_or_else(|| path.into())
}

/// The id of the container that we are in.
fn own_id(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        if !MOUNTED.contains(&point) {
            return None;
        }
        let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
        root.split('/').find(is_id).map(Into::into)
    })
}

fn translate(mounts: &[MountPoint], path: &Path) -> Option<PathBuf> {
    let places = mounts.iter().filter_map(|mount| {
        let rest = path.strip_prefix(mount.destination.as_deref()?).ok()?;
        Some((rest, mount.source.as_deref().filter(|source| source.starts_with('/'))?))
    });
    // The innermost one covers the others.
    let (rest, source) = places.min_by_key(|(rest, _)| rest.components().count())?;
    Some(Path::new(source).join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_knows_its_id_and_a_host_has_none() {
        let id = "0123456789abcdef".repeat(4);
        let inside = format!(
            "1 0 0:1 / / rw - overlay o rw\n\
             2 1 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/x rw\n"
        );
        assert_eq!(own_id(&inside), Some(id.clone()));
        let host =
            format!("3 1 0:9 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw\n");
        assert_eq!(own_id(&host), None);
    }

    #[test]
    fn the_innermost_mount_counts() {
        let mount = |destination: &str, source: &str| MountPoint {
            destination: Some(destination.into()),
            source: Some(source.into()),
            ..MountPoint::default()
        };
        let mounts =
            [mount("/data", "/var/lib/docker/volumes/v/_data"), mount("/data/jobs", "/srv/jobs")];
        let of = |path: &str| translate(&mounts, Path::new(path));
        assert_eq!(of("/data/docker"), Some("/var/lib/docker/volumes/v/_data/docker".into()));
        assert_eq!(of("/data/jobs/1"), Some("/srv/jobs/1".into()));
        assert_eq!(of("/database"), None);
    }
}
