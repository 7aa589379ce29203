use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use types::Usage;

use super::{Place, v2};

/// How long a cgroup may take to become empty once all in it was killed. The kernel lets go of the
/// last process a moment after it is reaped.
const PATIENCE: Duration = Duration::from_secs(5);

/// The cgroups of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Group {
    unified: bool,
    dirs: BTreeSet<PathBuf>,
    pub(super) settings: Vec<Setting>,
    pub(super) cpu_ms: Option<Reading>,
    pub(super) memory: Option<Reading>,
    pub(super) memory_peak: Option<Reading>,
    pub(super) oom_kills: Option<Reading>,
    pub(super) cpu_throttled_ms: Option<Reading>,
    pub(super) processes: Option<Reading>,
    pub(super) processes_peak: Option<Reading>,
    pub(super) processes_refused: Option<Reading>,
}

/// A file that says what a sandbox may use.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) file: PathBuf,
    pub(super) value: String,
    pub(super) optional: bool,
}

impl Setting {
    pub(super) fn needed(file: PathBuf, value: u64) -> Self {
        Self { file, value: value.to_string(), optional: false }
    }

    pub(super) fn if_there(file: PathBuf, value: u64) -> Self {
        Self { file, value: value.to_string(), optional: true }
    }

    fn write(&self) -> io::Result<()> {
        if self.optional && !self.file.exists() {
            return Ok(());
        }
        write(&self.file, &self.value)
    }
}

/// A number in a file: its whole text, or what stands after a key.
#[derive(Debug)]
pub(super) struct Reading {
    file: PathBuf,
    key: Option<&'static str>,
    divisor: u64,
}

impl Reading {
    pub(super) fn whole(file: PathBuf) -> Self {
        Self { file, key: None, divisor: 1 }
    }

    pub(super) fn keyed(file: PathBuf, key: &'static str) -> Self {
        Self { file, key: Some(key), divisor: 1 }
    }

    pub(super) fn divided_by(self, divisor: u64) -> Self {
        Self { divisor, ..self }
    }

    fn read(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        let number = match self.key {
            None => text.trim(),
            Some(key) => text.lines().find_map(|line| {
                line.split_once(' ').filter(|(name, _)| *name == key).map(|(_, value)| value)
            })?,
        };
        Some(number.parse::<u64>().ok()? / self.divisor)
    }
}

impl Group {
    pub(super) fn new(place: &Place, name: &str) -> Self {
        Self {
            unified: place.unified,
            dirs: place.parents.values().map(|parent| parent.join(name)).collect(),
            ..Self::default()
        }
    }

    /// Makes the cgroups and sets their limits.
    pub(crate) fn make(&self) -> io::Result<()> {
        self.dirs.iter().try_for_each(|dir| self.make_dir(dir))?;
        self.limit()
    }

    pub(super) fn limit(&self) -> io::Result<()> {
        self.settings.iter().try_for_each(Setting::write)
    }

    /// Moves a process in; its children will be born there.
    pub(crate) fn join(&self, pid: u32) -> io::Result<()> {
        self.dirs.iter().try_for_each(|dir| write(&dir.join("cgroup.procs"), &pid.to_string()))
    }

    /// What the processes in it used so far.
    pub(crate) fn usage(&self) -> Usage {
        let read = |reading: &Option<Reading>| reading.as_ref().and_then(Reading::read);
        Usage {
            cpu_ms: read(&self.cpu_ms),
            memory_bytes: read(&self.memory),
            memory_peak_bytes: read(&self.memory_peak),
            oom_kills: read(&self.oom_kills),
            cpu_throttled_ms: read(&self.cpu_throttled_ms),
            processes: read(&self.processes),
            processes_peak: read(&self.processes_peak),
            processes_refused: read(&self.processes_refused),
            ..Usage::default()
        }
    }

    /// Removes the cgroups once they are empty, and the directory above after the last of them.
    /// No error if they are gone already.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for dir in &self.dirs {
            remove_dir(dir)?;
            // Fails as long as another sandbox has a cgroup there.
            let _ = dir.parent().map(std::fs::remove_dir);
        }
        Ok(())
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let parent = dir.parent().unwrap_or(dir);
        loop {
            // Not `create_dir_all`, which fails if the directory goes away while it looks.
            match std::fs::create_dir(parent) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(|e| told("create", parent, &e))?,
            }
            if self.unified {
                v2::enable(parent);
            }
            match std::fs::create_dir(dir) {
                // The last of the other sandboxes took the directory above away in between.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other.map_err(|e| told("create", dir, &e)),
            }
        }
    }
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    let started = Instant::now();
    loop {
        match std::fs::remove_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && started.elapsed() < PATIENCE => {
                // The kernel tells nobody when a version 1 cgroup becomes empty.
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other.map_err(|e| told("remove", dir, &e)),
        }
    }
}

fn write(file: &Path, value: &str) -> io::Result<()> {
    // Not `fs::write`: creating is not what is meant, and in a read-only tree it hides the reason.
    let open = std::fs::OpenOptions::new().write(true).open(file);
    let written = open.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
    written.map_err(|e| told(&format!("write {value} to"), file, &e))
}

/// The same error with what was tried in its text.
fn told(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// The first sandbox makes the directory of them all, the last one takes it away.
    #[test]
    fn others_may_come_and_go_meanwhile() {
        let root = tempfile::tempdir().unwrap();
        let parent = root.path().join("cagent");
        let group = Group { dirs: [parent.join("job")].into(), ..Group::default() };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = std::fs::create_dir(&parent);
                    let _ = std::fs::remove_dir(&parent);
                }
            });
            let made = (0..5000).try_for_each(|_| group.make().and_then(|()| group.remove()));
            done.store(true, Ordering::Relaxed);
            made.unwrap();
        });
    }
}
