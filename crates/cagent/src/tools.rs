//! The programs for sandboxes that are part of this one, and their place on the disk.
//!
//! ```text
//! <data>/tools/<hash>/sandbox-helper
//! <data>/tools/<hash>/inside/bin/{agentd,ts}    what sandboxes see as /opt/cagent
//! ```
//!
//! Sandboxes outlive the orchestrator, so another version has another folder and none is removed.
//! Read in memory, all their pages would stay in ours; so they are read from the file of this program.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Of the content of all of them; from `build.rs`, as they are.
const HASH: &str = env!("CAGENT_TOOLS_HASH");

const HELPER: &str = "sandbox-helper";
const INSIDE: &str = "inside";

static PROGRAMS: [(&str, &[u8]); 3] = [
    (HELPER, include_bytes!(env!("CAGENT_HELPER"))),
    ("inside/bin/agentd", include_bytes!(env!("CAGENT_AGENTD"))),
    ("inside/bin/ts", include_bytes!(env!("CAGENT_TS"))),
];

/// So much of a program is compared at one time, in bytes.
const PIECE: usize = 64 * 1024;

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) helper: PathBuf,
    pub(crate) inside: PathBuf,
}

/// Those that sandboxes see, by their path within `/opt/cagent`.
pub(crate) fn inside() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let inside = |path: &'static str| path.strip_prefix(INSIDE)?.strip_prefix('/');
    PROGRAMS.into_iter().filter_map(move |(path, content)| Some((inside(path)?, content)))
}

/// Writes them to the disk if they are not there.
pub(crate) fn unpack(data_dir: &Path) -> anyhow::Result<Tools> {
    let all = data_dir.join("tools");
    let folder = all.join(HASH);
    if !is_whole(&folder) {
        write_all(&all, &folder)
            .with_context(|| format!("write the programs for sandboxes to {}", folder.display()))?;
    }
    Ok(Tools { helper: folder.join(HELPER), inside: folder.join(INSIDE) })
}

/// Whether all of them are there, word for word: a power failure, a full disk or a hand may have
/// damaged them. Some milliseconds, once a start.
fn is_whole(folder: &Path) -> bool {
    PROGRAMS.iter().all(|(name, content)| {
        let path = folder.join(name);
        let runs = |file: fs::Metadata| {
            file.permissions().mode() & 0o777 == 0o755 && file.len() == content.len() as u64
        };
        fs::metadata(&path).is_ok_and(runs) && is_same(&path, content).unwrap_or(false)
    })
}

/// Whether a file of the same length is the same.
fn is_same(path: &Path, content: &[u8]) -> io::Result<bool> {
    let (mut own, mut found) = (embedded(content)?, File::open(path)?);
    let (mut piece, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let length = own.read(&mut piece)?;
        if length == 0 {
            return Ok(true);
        }
        found.read_exact(&mut other[..length])?;
        if piece[..length] != other[..length] {
            return Ok(false);
        }
    }
}

/// What this program has in memory there, from its file.
fn embedded(content: &[u8]) -> io::Result<io::Take<File>> {
    let address = content.as_ptr().addr() as u64;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let offset = maps.lines().find_map(|line| offset(line, address));
    let missing = || io::Error::other("/proc/self/maps does not say where this program's file is");
    let mut program = File::open("/proc/self/exe")?;
    program.seek(SeekFrom::Start(offset.ok_or_else(missing)?))?;
    Ok(program.take(content.len() as u64))
}

/// Where in its file an address lies, if it lies in this line's mapping.
fn offset(line: &str, address: u64) -> Option<u64> {
    let mut words = line.split(' ');
    let number = |word| u64::from_str_radix(word, 16).ok();
    let (start, end) = words.next()?.split_once('-')?;
    let (start, end, offset) = (number(start)?, number(end)?, number(words.nth(1)?)?);
    (start..end).contains(&address).then(|| address - start + offset)
}

/// All or nothing: made under another name, then renamed.
fn write_all(all: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(all)?;
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(all)?;
    for (name, content) in &PROGRAMS {
        let path = new.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(&path)?;
        io::copy(&mut embedded(content)?, &mut file)?;
        file.sync_all()?;
    }
    // The job's users are none of ours, and our umask is not asked.
    for name in ["", INSIDE, "inside/bin"].into_iter().chain(PROGRAMS.map(|(name, _)| name)) {
        fs::set_permissions(new.path().join(name), Permissions::from_mode(0o755))?;
    }
    let aside = tempfile::Builder::new().prefix(".old-").tempdir_in(all)?;
    if folder.exists() {
        // Damaged; whoever runs one of its programs keeps it.
        fs::rename(folder, aside.path().join("damaged"))?;
    }
    match fs::rename(new.path(), folder) {
        // Somebody else was faster.
        Err(_) if is_whole(folder) => Ok(()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn unpacks_once_programs_that_run() {
        let dir = tempfile::tempdir().unwrap();
        let tools = unpack(dir.path()).unwrap();
        for program in ["bin/agentd", "bin/ts"] {
            let ran = Command::new(tools.inside.join(program)).arg("--version").output().unwrap();
            assert!(ran.status.success(), "{program}: {ran:?}");
        }
        let mode = fs::metadata(&tools.helper).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        let written = fs::metadata(&tools.helper).unwrap().modified().unwrap();
        unpack(dir.path()).unwrap();
        assert_eq!(fs::metadata(&tools.helper).unwrap().modified().unwrap(), written);
        let names: Vec<_> = fs::read_dir(dir.path().join("tools")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn what_is_written_is_what_is_embedded() {
        let dir = tempfile::tempdir().unwrap();
        let tools = unpack(dir.path()).unwrap();
        for (path, content) in PROGRAMS {
            let written = fs::read(tools.helper.with_file_name(path)).unwrap();
            assert!(written == content, "{path}");
        }
    }

    #[test]
    fn an_address_has_its_place_in_a_file() {
        let line = "1000-3000 r--p 00000800 08:01 42                         /bin/cagent";
        assert_eq!(offset(line, 0x1000), Some(0x800));
        assert_eq!(offset(line, 0x2fff), Some(0x27ff));
        assert_eq!(offset(line, 0x3000), None);
        assert_eq!(offset("", 0x1000), None);
    }

    #[test]
    fn a_damaged_program_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let tools = unpack(dir.path()).unwrap();
        let good = fs::read(&tools.helper).unwrap();
        for damage in [good[..100].to_vec(), vec![0; good.len()]] {
            fs::write(&tools.helper, damage).unwrap();
            unpack(dir.path()).unwrap();
            assert!(fs::read(&tools.helper).unwrap() == good);
        }
        fs::set_permissions(&tools.helper, Permissions::from_mode(0o600)).unwrap();
        unpack(dir.path()).unwrap();
        assert_eq!(fs::metadata(&tools.helper).unwrap().permissions().mode() & 0o777, 0o755);
        let names: Vec<_> = fs::read_dir(dir.path().join("tools")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}
