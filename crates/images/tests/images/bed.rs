//! Archives as they come, and a place to import them to.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use images::{ImageError, Images, Imported, Source};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// A directory for images.
pub(crate) struct Bed {
    dir: TempDir,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    pub(crate) fn images(&self) -> Images {
        Images::open(&self.home())
    }

    /// A path beside the images.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Imports an archive that comes along.
    pub(crate) fn import(&self, mut archive: &[u8]) -> Result<Imported, ImageError> {
        self.images().import(Source::Stream(&mut archive), None)
    }

    /// The same; it is refused with these words, and nothing of it is left.
    pub(crate) fn refuses(&self, archive: &[u8], words: &str) {
        let error = self.import(archive).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(self.left(), Vec::<String>::new());
    }

    /// Every tree and every name there is.
    pub(crate) fn left(&self) -> Vec<String> {
        let list = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().map(Result::unwrap);
        let all = list(self.home()).chain(list(self.home().join(".trees")));
        let names = all.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name != ".trees").collect()
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An archive in the making.
pub(crate) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Builder::new(vec![]))
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.with(header(EntryType::Regular, 0o644), name, "", content.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.with(header(EntryType::Directory, 0o755), name, "", b"")
    }

    pub(crate) fn symlink(self, name: &str, to: &str) -> Self {
        self.with(header(EntryType::Symlink, 0o777), name, to, b"")
    }

    pub(crate) fn link(self, name: &str, to: &str) -> Self {
        self.with(header(EntryType::Link, 0o644), name, to, b"")
    }

    /// With a name and a link that are written as they are; long ones as GNU does.
    pub(crate) fn with(self, mut header: Header, name: &str, link: &str, content: &[u8]) -> Self {
        let mut tar = self;
        for (kind, text) in [(b'L', name), (b'K', link)] {
            if text.len() > 100 {
                let long = self::header(EntryType::new(kind), 0o644);
                tar = tar.with(long, "././@LongLink", "", format!("{text}\0").as_bytes());
            }
        }
        let old = header.as_old_mut();
        for (field, text) in [(&mut old.name, name), (&mut old.linkname, link)] {
            let most = text.len().min(field.len());
            field[..most].copy_from_slice(&text.as_bytes()[..most]);
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.0.append(&header, content).unwrap();
        tar
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub(crate) fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1_000_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The settings of an image with these layers.
pub(crate) fn settings(layers: &[Vec<u8>]) -> String {
    let digests: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
    let config =
        json!({"Env": ["PATH=/opt/bin:/bin", "KEY=value"], "Labels": {"cagent.image": "core"}});
    json!({"config": config, "rootfs": {"type": "layers", "diff_ids": digests}}).to_string()
}

/// As `docker save` writes it: what names the parts comes last.
pub(crate) fn saved(names: &[&str], layers: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = Tar::new();
    let mut paths = vec![];
    for (number, layer) in layers.iter().enumerate() {
        let path = format!("layer{number}/layer.tar");
        tar = tar.dir(&format!("layer{number}/"));
        tar = tar.with(header(EntryType::Regular, 0o644), &path, "", layer);
        paths.push(path);
    }
    let settings = settings(layers);
    let config = format!("{}.json", digest(settings.as_bytes()));
    let manifest = json!([{"Config": config, "RepoTags": names, "Layers": paths}]);
    tar.file(&config, &settings).file("manifest.json", &manifest.to_string()).bytes()
}

/// An OCI layout as files by their paths, with layers compressed by this.
pub(crate) fn layout(
    layers: &[Vec<u8>],
    compress: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("oci-layout".to_string(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut add = |bytes: Vec<u8>| -> Value {
        let (hex, size) = (digest(&bytes), bytes.len());
        files.push((format!("blobs/sha256/{hex}"), bytes));
        json!({"digest": format!("sha256:{hex}"), "size": size})
    };
    let blobs: Vec<_> = layers.iter().map(|layer| add(compress(layer))).collect();
    let config = add(settings(layers).into_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": blobs});
    let mut ours = add(manifest.to_string().into_bytes());
    let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    ours["platform"] = json!({"os": "linux", "architecture": architecture});
    let mut other = add(b"{}".to_vec());
    other["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let inner = add(json!({"manifests": [other, ours]}).to_string().into_bytes());
    let mut named = inner;
    named["annotations"] = json!({"io.containerd.image.name": "docker.io/library/x:1"});
    files.push(("index.json".into(), json!({"manifests": [named]}).to_string().into_bytes()));
    files
}

/// Everything beneath a directory: path, kind and mode, owner, time, and what it holds or leads to.
pub(crate) fn listing(root: &Path) -> Vec<(String, u32, u32, i64, String)> {
    let mut all = vec![];
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            let content = if meta.is_dir() {
                open.push(path.clone());
                String::new()
            } else if meta.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            all.push((name, meta.mode(), meta.uid(), meta.mtime(), content));
        }
    }
    all.sort();
    all
}
