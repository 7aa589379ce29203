//! Which host uids sandboxes run as.
//!
//! A pair is taken by a note in a directory of the host: a link named by the uid, whose text is the
//! mount namespace and the folder of the sandbox, so that no two live sandboxes share one, whichever
//! orchestrator and data directory they belong to. A note whose folder is gone, and is not being
//! removed either, is void once no process has the users: that is how a crash, a reboot (which clears the directory) and a removed
//! data directory give back what they held. What another mount namespace holds cannot be seen from
//! here, so such a note is void only after a reboot.

use std::fs::{DirBuilder, File, read_link, read_to_string, remove_file};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use engine::EngineError;

use crate::UidRange;
use crate::client::io_error;
use crate::inside::ENGINE;
use crate::plan::Users;
use crate::sweep;

/// Files that give ranges of uids or gids to users of the host.
const SUBORDINATE: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

/// Where every embedded engine of this host notes the pairs it uses.
const REGISTER: &str = "/run/cagent/uids";

/// Names the mount namespace of this process.
const NAMESPACE: &str = "/proc/self/ns/mnt";

/// Hands out users for sandboxes.
#[derive(Debug)]
pub(crate) enum Uids {
    /// Two uids for each live sandbox.
    Own(Register),
    /// Everything runs as the caller.
    Caller { uid: u32, gid: u32 },
}

/// The pairs of a range that are in use on this host.
#[derive(Debug)]
pub(crate) struct Register {
    range: UidRange,
    links: PathBuf,
    namespace: PathBuf,
}

impl Uids {
    /// Separate users if this process may give processes any uid of the range, else the caller's.
    pub(crate) fn open(range: UidRange) -> Result<Self, EngineError> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let known = |map| covers(&read_to_string(map).unwrap_or_default(), range);
        if uid != 0 || !known("/proc/self/uid_map") || !known("/proc/self/gid_map") {
            return Ok(Self::Caller { uid, gid });
        }
        for file in SUBORDINATE {
            check_free(file, &read_to_string(file).unwrap_or_default(), range)?;
        }
        Register::open(range, REGISTER.into()).map(Self::Own)
    }

    /// Users for the sandbox of this folder that no live sandbox has.
    pub(crate) fn take(&self, folder: &Path) -> Result<Users, EngineError> {
        match self {
            Self::Caller { uid, gid } => Ok(Users::Shared { uid: *uid, gid: *gid }),
            Self::Own(register) => {
                let agentd = register.take(folder)?;
                Ok(Users::Separate { agentd, commands: agentd + 1 })
            }
        }
    }

    /// Notes again what a sandbox has that a reboot made forgotten.
    pub(crate) fn keep(&self, users: Users, folder: &Path) -> Result<(), EngineError> {
        match (self, users) {
            (Self::Own(register), Users::Separate { agentd, .. }) => register.keep(agentd, folder),
            _ => Ok(()),
        }
    }

    /// Gives a folder this new name; its users stay those of the files in it. No error if it has the
    /// name already.
    pub(crate) fn hand_over(
        &self,
        users: Users,
        old: &Path,
        new: &Path,
    ) -> Result<(), EngineError> {
        match (self, users) {
            (Self::Own(register), Users::Separate { agentd, .. }) => {
                register.hand_over(agentd, old, new)
            }
            (Self::Caller { uid, .. }, Users::Shared { uid: owner, .. }) if *uid == owner => {
                rename(old, new)
            }
            _ => Err(EngineError::Unavailable {
                engine: ENGINE,
                why: format!("the files in {} belong to another user than ours", old.display()),
                cure: "run cagent as the user who made it".into(),
            }),
        }
    }

    /// Gives back the users of the sandbox that had this folder, which is gone.
    pub(crate) fn release(&self, users: Users, folder: &Path) {
        if let (Self::Own(register), Users::Separate { agentd, .. }) = (self, users) {
            // A note that stays is void all the same.
            let _ = register.release(agentd, folder);
        }
    }
}

impl Register {
    fn open(range: UidRange, links: PathBuf) -> Result<Self, EngineError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&links);
        made.map_err(|e| io_error("create", &links, e))?;
        let namespace = read_link(NAMESPACE);
        let namespace = namespace.map_err(|e| io_error("read", Path::new(NAMESPACE), e))?;
        Ok(Self { range, links, namespace })
    }

    fn take(&self, folder: &Path) -> Result<u32, EngineError> {
        let _lock = self.lock()?;
        for pair in 0..self.range.count / 2 {
            let agentd = self.range.first + 2 * pair;
            if self.claim(agentd, folder)? {
                return Ok(agentd);
            }
        }
        let all = self.range.count / 2;
        Err(EngineError::Exhausted(format!("all {all} pairs of uids are in use")))
    }

    fn keep(&self, agentd: u32, folder: &Path) -> Result<(), EngineError> {
        let _lock = self.lock()?;
        self.claim(agentd, folder).map(drop)
    }

    fn hand_over(&self, agentd: u32, old: &Path, new: &Path) -> Result<(), EngineError> {
        let _lock = self.lock()?;
        let owned = |folder: &Path| match self.claim(agentd, folder)? {
            true => Ok(()),
            false => Err(EngineError::Exhausted(format!(
                "another sandbox has the users of the files in {}",
                folder.display()
            ))),
        };
        if !old.exists() {
            return owned(new);
        }
        owned(old)?;
        rename(old, new)?;
        // Whatever still runs as one of them was the old one's.
        let link = self.link(agentd);
        let noted = remove_file(&link).and_then(|()| symlink(self.note(new), &link));
        noted.map_err(|e| io_error("note a uid in", &link, e))
    }

    /// The folder may be gone for long and the pair another sandbox's.
    fn release(&self, agentd: u32, folder: &Path) -> Result<(), EngineError> {
        let _lock = self.lock()?;
        let link = self.link(agentd);
        match read_link(&link) {
            Ok(note) if holder(&note) == folder => {
                remove_file(&link).map_err(|e| io_error("take a uid from", &link, e))
            }
            _ => Ok(()),
        }
    }

    /// Whether the pair was free, or the folder's, and is now the folder's. Needs the lock.
    fn claim(&self, agentd: u32, folder: &Path) -> Result<bool, EngineError> {
        let link = self.link(agentd);
        let failed = |e| io_error("note a uid in", &link, e);
        match read_link(&link) {
            Ok(note) if holder(&note) != folder && (self.holds(&note) || runs(agentd)) => {
                return Ok(false);
            }
            Ok(_) => remove_file(&link).map_err(failed)?,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
        symlink(self.note(folder), &link).map(|()| true).map_err(failed)
    }

    fn note(&self, folder: &Path) -> PathBuf {
        self.namespace.join(folder.strip_prefix("/").unwrap_or(folder))
    }

    /// Whether files of the sandbox that wrote this note are there, or may be.
    fn holds(&self, note: &Path) -> bool {
        let may_be = |path: &Path| path.try_exists().unwrap_or(true);
        let folder = holder(note);
        // In this order: the one becomes the other.
        !note.starts_with(&self.namespace) || may_be(&folder) || may_be(&sweep::removing(&folder))
    }

    fn link(&self, agentd: u32) -> PathBuf {
        self.links.join(agentd.to_string())
    }

    /// Two that find the same pair free must not both take it.
    fn lock(&self) -> Result<File, EngineError> {
        let path = self.links.join("lock");
        let open = File::options().write(true).create(true).truncate(false).open(&path);
        let locked = open.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|e| io_error("lock", &path, e))
    }
}

fn rename(old: &Path, new: &Path) -> Result<(), EngineError> {
    match std::fs::rename(old, new) {
        Err(e) if e.kind() == ErrorKind::NotFound && new.is_dir() => Ok(()),
        renamed => renamed.map_err(|e| io_error("take over", old, e)),
    }
}

/// Whether a process of the pair lives. Its folder may be gone if somebody removed that by hand.
fn runs(agentd: u32) -> bool {
    let lines = [agentd, agentd + 1].map(|uid| format!("\nUid:\t{uid}\t"));
    let ours = |status: String| lines.iter().any(|line| status.contains(line));
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut statuses = processes.map(|entry| read_to_string(entry.path().join("status")));
    statuses.any(|status| status.is_ok_and(ours))
}

/// The folder of the sandbox that wrote this note.
fn holder(note: &Path) -> PathBuf {
    let mut parts = note.iter();
    parts.next();
    Path::new("/").join(parts.as_path())
}

/// Whether a `uid_map` (inside, outside, count a line) knows the whole range.
fn covers(map: &str, range: UidRange) -> bool {
    let numbers = |line: &str| -> Vec<u64> {
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let (first, end) = (u64::from(range.first), u64::from(range.first) + u64::from(range.count));
    map.lines().any(|line| match numbers(line)[..] {
        [inside, _, count] => inside <= first && end <= inside + count,
        _ => false,
    })
}

/// Refuses a range of which `/etc/subuid` (name:first:count a line) gives a part away.
fn check_free(file: &str, text: &str, range: UidRange) -> Result<(), EngineError> {
    let (first, end) = (u64::from(range.first), u64::from(range.first) + u64::from(range.count));
    let taken = |line: &&str| {
        let mut fields = line.split(':').skip(1).map(|field| field.trim().parse::<u64>());
        match (fields.next(), fields.next()) {
            (Some(Ok(start)), Some(Ok(count))) => start < end && first < start + count,
            _ => false,
        }
    };
    let Some(line) = text.lines().find(taken) else { return Ok(()) };
    Err(EngineError::Unavailable {
        engine: ENGINE,
        why: format!("its uids {first} to {} overlap with `{line}` in {file}", end - 1),
        cure: "change that line, or give the embedded engine another range of uids".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: UidRange = UidRange { first: 1000, count: 4 };

    /// No process has it.
    const FIRST: u32 = 0x7fff_fff0;

    struct Bed {
        dir: tempfile::TempDir,
        uids: Uids,
    }

    impl Bed {
        fn new() -> Self {
            Self::starting_at(FIRST)
        }

        fn starting_at(first: u32) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let range = UidRange { first, count: 4 };
            let register = Register::open(range, dir.path().join("uids")).unwrap();
            Self { dir, uids: Uids::Own(register) }
        }

        fn folder(&self, name: &str) -> PathBuf {
            let folder = self.dir.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        }
    }

    fn pair(agentd: u32) -> Users {
        Users::Separate { agentd, commands: agentd + 1 }
    }

    #[test]
    fn hands_out_the_lowest_free_pair() {
        let bed = Bed::new();
        let first = bed.uids.take(&bed.folder("a")).unwrap();
        assert_eq!(first, pair(FIRST));
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(FIRST + 2));
        assert!(matches!(bed.uids.take(&bed.folder("c")), Err(EngineError::Exhausted(_))));
        bed.uids.release(first, &bed.folder("a"));
        assert_eq!(bed.uids.take(&bed.folder("c")).unwrap(), first);
    }

    #[test]
    fn a_pair_is_taken_until_the_last_file_is_gone() {
        let bed = Bed::new();
        let folder = bed.folder("a");
        let first = bed.uids.take(&folder).unwrap();
        std::fs::rename(&folder, sweep::removing(&folder)).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(FIRST + 2));
        std::fs::remove_dir(sweep::removing(&folder)).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("c")).unwrap(), first);
    }

    #[test]
    fn a_pair_is_taken_while_a_process_has_it() {
        let mine = rustix::process::getuid().as_raw();
        let bed = Bed::starting_at(mine);
        let folder = bed.folder("a");
        assert_eq!(bed.uids.take(&folder).unwrap(), pair(mine));
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(mine + 2));
    }

    #[test]
    fn what_another_has_by_now_is_not_released() {
        let bed = Bed::new();
        let folder = bed.folder("a");
        let first = bed.uids.take(&folder).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), first);
        bed.uids.release(first, &folder);
        assert_eq!(bed.uids.take(&bed.folder("c")).unwrap(), pair(FIRST + 2));
    }

    #[test]
    fn what_another_mount_namespace_has_is_taken_until_it_comes_back_here() {
        let bed = Bed::new();
        let folder = bed.folder("a");
        let note = Path::new("mnt:[1]").join(folder.strip_prefix("/").unwrap());
        symlink(note, bed.dir.path().join(format!("uids/{FIRST}"))).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(FIRST + 2));
        bed.uids.keep(pair(FIRST), &folder).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("c")).unwrap(), pair(FIRST));
    }

    #[test]
    fn another_engine_of_the_host_does_not_get_it_either() {
        let bed = Bed::new();
        bed.uids.take(&bed.folder("a")).unwrap();
        let range = UidRange { first: FIRST, count: 4 };
        let other = Register::open(range, bed.dir.path().join("uids")).map(Uids::Own).unwrap();
        assert_eq!(other.take(&bed.folder("b")).unwrap(), pair(FIRST + 2));
    }

    #[test]
    fn what_a_crash_left_is_free_once_its_folder_is_gone() {
        let bed = Bed::new();
        let folder = bed.folder("a");
        bed.uids.take(&folder).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(FIRST));
    }

    #[test]
    fn what_a_living_sandbox_has_is_noted_again_after_a_reboot() {
        let bed = Bed::new();
        bed.uids.keep(pair(FIRST), &bed.folder("a")).unwrap();
        bed.uids.keep(pair(FIRST), &bed.folder("a")).unwrap();
        assert_eq!(bed.uids.take(&bed.folder("b")).unwrap(), pair(FIRST + 2));
    }

    #[test]
    fn a_range_given_to_somebody_else_is_refused() {
        check_free("f", "a:0:1000\nb:1004:5\n# no line\n", RANGE).unwrap();
        let error = check_free("f", "a:1:1\ndocker:1003:65536", RANGE).unwrap_err().to_string();
        assert!(error.contains("docker:1003:65536"), "{error}");
    }

    #[test]
    fn a_map_must_know_the_whole_range() {
        assert!(covers("         0          0 4294967295\n", RANGE));
        assert!(!covers("0 100000 1002\n", RANGE));
        assert!(!covers("", RANGE));
    }
}
