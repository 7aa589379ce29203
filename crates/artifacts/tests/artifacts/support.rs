//! A workspace in a temporary directory, and what comes out of packing it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use artifacts::{Extra, Options, PackError, PackRequest, Packed, pack};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

/// A workspace, something private outside of it, and the place for its ZIP.
pub(crate) struct Bench {
    home: TempDir,
    pub(crate) options: Options,
}

/// A ZIP read back: every name with its bytes, `.cagent/` apart.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) packed: Packed,
    pub(crate) entries: BTreeMap<String, Vec<u8>>,
    pub(crate) records: BTreeMap<String, Vec<u8>>,
    pub(crate) manifest: Value,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("workspace")).unwrap();
        fs::create_dir(home.path().join("results")).unwrap();
        Self { home, options: Options::default() }
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.home.path().join("workspace")
    }

    pub(crate) fn outside(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.home.path().join("results/output.zip")
    }

    /// Writes a file of the workspace, with the directories it needs.
    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.workspace().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn try_pack(&self, extras: Vec<Extra>) -> Result<Packed, PackError> {
        let workspace = File::open(self.workspace()).ok();
        let workspace = workspace.as_ref().map(AsFd::as_fd);
        let (target, job) = (&*self.target(), json!({ "job_id": "test" }));
        pack(PackRequest { workspace, target, job, extras, options: self.options })
    }

    pub(crate) fn pack_with(&self, extras: Vec<Extra>) -> Opened {
        let packed = self.try_pack(extras).unwrap();
        let mut zip = ZipArchive::new(File::open(self.target()).unwrap()).unwrap();
        let (mut entries, mut records) = (BTreeMap::new(), BTreeMap::new());
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let name = entry.name().unwrap().into_owned();
            match name.strip_prefix(".cagent/") {
                Some(record) => records.insert(record.to_owned(), bytes),
                None => entries.insert(name, bytes),
            };
        }
        let manifest = serde_json::from_slice(&records["manifest.json"]).unwrap();
        Opened { packed, entries, records, manifest }
    }

    pub(crate) fn pack(&self) -> Opened {
        self.pack_with(Vec::new())
    }
}

impl Opened {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.entries.keys().map(String::as_str).collect()
    }

    /// Why a path was left out; panics if it is not listed.
    pub(crate) fn why(&self, path: &str) -> &str {
        let list = self.manifest["left_out"].as_array().unwrap();
        let entry = list.iter().find(|entry| entry["path"] == path);
        entry.unwrap_or_else(|| panic!("`{path}` is not among {list:?}"))["why"].as_str().unwrap()
    }
}
