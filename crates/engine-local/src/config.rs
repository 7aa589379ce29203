use std::path::{Component, Path, PathBuf};

use engine::EngineError;
use images::Images;

use crate::inside;
use crate::plan::Root;

/// How the embedded engine is set up.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// One folder per sandbox goes here.
    pub home: PathBuf,
    /// The `sandbox-helper` executable.
    pub helper: PathBuf,
    /// What sandboxes see as [`protocol::TOOLS`]: `bin/agentd`, `bin/ts`.
    pub tools: PathBuf,
    /// More of the host that sandboxes see, read-only, at the same paths.
    pub expose: Vec<PathBuf>,
    /// Agent images are imported to here; sandboxes can have one in the place of the host's `/usr`.
    pub images: PathBuf,
    /// Host uids (and gids of the same numbers) for sandboxes, used when running as root.
    pub uids: UidRange,
}

/// A range of host uids, two for each live sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Default for UidRange {
    /// Room for 32,768 sandboxes at the start of 0x7000_0000 – 0x7fff_ffff, which systemd's
    /// UIDS-GIDS.md lists as unused by anybody.
    fn default() -> Self {
        Self { first: 0x7000_0000, count: 0x1_0000 }
    }
}

/// Where programs of an image are that does not say it.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How images come here.
const IMPORT: &str = "`docker save IMAGE | cagent image import -` brings one here";

/// Places of a sandbox that are ours; nothing of the host may be put over or under them.
const RESERVED: [&str; 12] = [
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt/cagent",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/workspace",
];

impl LocalConfig {
    /// Checks what does not depend on the kernel.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        is_there(&self.helper, "find the sandbox helper")?;
        is_there(&self.tools.join("bin/agentd"), "find agentd")?;
        self.expose.iter().try_for_each(|path| check_exposed(path))
    }

    /// The root file system that is the image of this name.
    pub(crate) fn root(&self, name: &str) -> Result<Root, EngineError> {
        let unusable =
            |why: String, cure: String| EngineError::Image { image: name.into(), why, cure };
        let found = Images::open(&self.images)
            .get(name)
            .map_err(|e| unusable(e.to_string(), IMPORT.into()))?;
        match found {
            Some(image) => {
                let mut environment = image.environment;
                if !environment.iter().any(|(name, _)| name == "PATH") {
                    environment.push(("PATH".into(), IMAGE_PATH.into()));
                }
                Ok(Root { tree: image.root, environment })
            }
            None => Err(unusable("it was not imported".into(), self.cure())),
        }
    }

    fn cure(&self) -> String {
        let there = Images::open(&self.images).list().unwrap_or_default();
        let names: Vec<_> = there.iter().map(|image| image.name.as_str()).collect();
        match &*names {
            [] => IMPORT.into(),
            names => format!("{IMPORT}; those there are: {}", names.join(", ")),
        }
    }

    /// `PATH` of agentd and of everything it starts.
    pub(crate) fn path_inside(&self) -> String {
        let exposed = self.expose.iter().flat_map(|path| {
            let own = (path.file_name() == Some("bin".as_ref())).then(|| path.clone());
            own.into_iter().chain(Some(path.join("bin")).filter(|bin| bin.is_dir()))
        });
        exposed.fold(inside::PATH.to_string(), |all, bin| format!("{all}:{}", bin.display()))
    }
}

fn is_there(path: &Path, what: &'static str) -> Result<(), EngineError> {
    let io = |source| EngineError::Io { what, path: path.into(), source };
    std::fs::metadata(path).map(drop).map_err(io)
}

fn check_exposed(path: &Path) -> Result<(), EngineError> {
    let plain = path.is_absolute()
        && path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
        && path.to_str().is_some_and(|text| !text.contains(':'));
    if !plain || path.parent().is_none() {
        return Err(cannot_expose(path, "it is no absolute path free of `..` and `:`"));
    }
    let ours = |place: &&&str| path.starts_with(place) || Path::new(place).starts_with(path);
    if let Some(place) = RESERVED.iter().find(ours) {
        return Err(cannot_expose(path, &format!("{place} of a sandbox is not the host's")));
    }
    is_there(path, "expose")
}

fn cannot_expose(path: &Path, why: &str) -> EngineError {
    EngineError::Unavailable {
        engine: inside::ENGINE,
        why: format!("{} cannot be exposed: {why}", path.display()),
        cure: "expose another directory".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(expose: &[&str]) -> LocalConfig {
        LocalConfig {
            home: PathBuf::new(),
            helper: "/bin/sh".into(),
            tools: PathBuf::new(),
            expose: expose.iter().map(PathBuf::from).collect(),
            images: PathBuf::new(),
            uids: UidRange::default(),
        }
    }

    #[test]
    fn only_places_of_the_host_can_be_exposed() {
        for bad in ["/", "/usr", "/usr/share", "/opt", "/run/x", "relative", "/a/../etc", "/a:b"] {
            let error = check_exposed(Path::new(bad)).unwrap_err();
            assert!(matches!(error, EngineError::Unavailable { .. }), "{bad}: {error}");
        }
        check_exposed(&std::env::temp_dir()).unwrap();
    }

    #[test]
    fn what_is_exposed_comes_last_in_the_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let root = dir.path().to_str().unwrap();
        let path = config(&[root, "/nowhere", &format!("{root}/bin")]).path_inside();
        assert_eq!(path, format!("{}:{root}/bin:{root}/bin", inside::PATH));
    }
}
