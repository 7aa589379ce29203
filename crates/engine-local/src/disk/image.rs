//! Images: sparse files of a fixed size with a small ext4 file system.
//!
//! Nothing is read from the host's `/etc`, and there is no journal: what a power cut takes with it
//! was lost anyway, with the sandbox.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags};

const MKFS: &str = "mkfs.ext4";

/// Where administrators' programs are, whatever `PATH` says.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// What current kernels do by themselves, but for what needs a journal. Everything else off.
const FEATURES: &str = "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,\
                        huge_file,large_file,sparse_super2,uninit_bg";

/// No copies of tables, which only a repair would read, and none written that are all zero.
const OPTIONS: &str = "nodiscard,lazy_itable_init=1,num_backup_sb=0,packed_meta_blocks=1";

const BLOCK: usize = 4096;

/// Bytes of room for each file: 262,144 files in 4 GiB. A table for them takes 1.6 %.
const BYTES_A_FILE: u64 = 16 * 1024;

/// Even a small disk is enough for a small project's packages.
const LEAST_FILES: u64 = 4096;

/// What a new image of some size has in it: only the blocks that are not zero.
#[derive(Debug)]
pub(super) struct Template {
    bytes: u64,
    blocks: Vec<(u64, Vec<u8>)>,
}

impl Template {
    /// Has `mkfs.ext4` make a file system of this size. Takes a few milliseconds.
    pub(super) fn make(bytes: u64) -> io::Result<Self> {
        let bytes = bytes - bytes % BLOCK as u64;
        let mut draft = File::from(rustix::fs::memfd_create("image", MemfdFlags::CLOEXEC)?);
        draft.set_len(bytes)?;
        format(&draft, bytes)?;
        Ok(Self { bytes, blocks: written(&mut draft)? })
    }

    /// Makes an image in this directory. It has no name yet, and is gone if it does not get one.
    pub(super) fn image(&self, directory: &Path) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let image = rustix::fs::openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR)?;
        let image = File::from(image);
        image.set_len(self.bytes)?;
        self.blocks.iter().try_for_each(|(at, block)| image.write_all_at(block, *at))?;
        Ok(image)
    }
}

fn format(draft: &File, bytes: u64) -> io::Result<()> {
    let files = (bytes / BYTES_A_FILE).max(LEAST_FILES);
    let made = Command::new(MKFS)
        .args(["-q", "-F", "-b", &BLOCK.to_string(), "-I", "256", "-m", "0"])
        .args(["-N", &files.to_string(), "-O", FEATURES, "-E", OPTIONS])
        .arg(format!("/proc/{}/fd/{}", std::process::id(), draft.as_raw_fd()))
        .env_clear()
        .env("PATH", PATH)
        .env("MKE2FS_CONFIG", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| io::Error::new(e.kind(), format!("{MKFS}: {e}")))?;
    if made.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{MKFS}: {}", String::from_utf8_lossy(&made.stderr).trim())))
}

/// Reads what is not zero of a sparse file.
fn written(file: &mut File) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut blocks = Vec::new();
    let mut end = 0;
    loop {
        let start = match rustix::fs::seek(&*file, rustix::fs::SeekFrom::Data(end)) {
            Err(rustix::io::Errno::NXIO) => return Ok(blocks),
            start => start?,
        };
        end = rustix::fs::seek(&*file, rustix::fs::SeekFrom::Hole(start))?;
        file.seek(SeekFrom::Start(start))?;
        for at in (start..end).step_by(BLOCK) {
            let mut block = vec![0; BLOCK];
            file.read_exact(&mut block)?;
            if block.iter().any(|byte| *byte != 0) {
                blocks.push((at, block));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_size_and_hardly_any_blocks() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        for bytes in [16 << 20, (4 << 30) + 1] {
            let image = Template::make(bytes).unwrap().image(dir.path()).unwrap();
            let meta = image.metadata().unwrap();
            assert_eq!(meta.len(), bytes - bytes % 4096);
            assert!(meta.blocks() * 512 < 256 << 10, "{} blocks", meta.blocks());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "images have no name");
    }
}
