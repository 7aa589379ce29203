//! A small file system of our own for the data directory, and a ballast that fills it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use rustix::fs::{FallocateFlags, fallocate};

/// Room for the sandboxes and results of a long run; what ends is kept until the run is over.
const BYTES: u64 = 1024 * 1024 * 1024;

/// How much is taken at one time: first much, at last the least that a file system gives.
const CHUNKS: [u64; 2] = [1024 * 1024, 4096];

/// The file system; unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
}

/// Takes all room as long as it lives.
#[derive(Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
}

impl Disk {
    /// Makes one beneath `dir` and mounts it.
    ///
    /// # Errors
    /// When this user or machine cannot.
    pub(crate) fn mount(dir: &Path) -> anyhow::Result<Self> {
        let (image, path) = (dir.join("disk.img"), dir.join("disk"));
        File::create(&image)?.set_len(BYTES)?;
        fs::create_dir(&path)?;
        run("mkfs.ext4", &["-q".as_ref(), "-m0".as_ref(), image.as_ref()])?;
        run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), path.as_ref()])?;
        Ok(Self { path })
    }

    /// Fills it to the last block. Nothing is written: the machine's own disk would be busy for long
    /// after, and everything on it slow.
    pub(crate) fn fill(&self) -> anyhow::Result<Ballast> {
        let ballast = Ballast { path: self.path.join("ballast") };
        let file = File::create(&ballast.path).context("make the ballast")?;
        let mut taken = 0;
        for chunk in CHUNKS {
            while fallocate(&file, FallocateFlags::empty(), taken, chunk).is_ok() {
                taken += chunk;
            }
        }
        // It ends in an error where the disk was full before.
        let _ = file.sync_all();
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy".as_ref(), self.path.as_ref()]);
    }
}

fn run(program: &str, args: &[&Path]) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {args:?}: {}", said.trim());
    Ok(())
}
