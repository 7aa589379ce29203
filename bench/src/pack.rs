//! Packs a directory in a process that does nothing else, so that its memory is what packing needs.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::machine::Memory;

/// What is told of it on standard output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub(crate) zip_bytes: u64,
    /// The most memory that was resident, in MiB.
    pub(crate) peak_mib: f64,
}

pub(crate) fn pack(workspace: &Path, target: &Path) -> anyhow::Result<()> {
    let workspace = File::open(workspace)?;
    let packed = artifacts::pack(artifacts::PackRequest {
        workspace: Some(workspace.as_fd()),
        target,
        job: serde_json::Value::Null,
        extras: vec![],
        options: artifacts::Options { include_caches: true, ..artifacts::Options::default() },
    })?;
    let peak_mib = Memory::of(std::process::id())?.peak;
    let packed = Packed { zip_bytes: packed.zip_bytes, peak_mib };
    crate::say(&serde_json::to_string(&packed)?);
    Ok(())
}
