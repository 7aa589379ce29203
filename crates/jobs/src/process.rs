//! What this process takes of the machine, as Linux tells.

use std::fs;
use std::time::{Duration, SystemTime};

/// What is known of this process; what the system does not tell is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    /// Memory that is its own and in RAM.
    pub(crate) resident_bytes: Option<u64>,
    /// File descriptors that are open.
    pub(crate) open_files: Option<u64>,
    /// How many there may be.
    pub(crate) most_files: Option<u64>,
    /// When it began, in seconds since 1970.
    pub(crate) started: Option<f64>,
}

impl Process {
    pub(crate) fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as u64);
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            // One of them was for looking.
            open_files: open.map(|count| count.saturating_sub(1)),
            most_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            started: started(),
        }
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Its folder in `/proc` is as old as it is, unless nobody looked there at once.
fn started() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // What stands behind the program's name, which may have spaces; the 20th of it is in ticks,
    // of which Linux tells programs 100 a second.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let age = Duration::try_from_secs_f64(up - ticks / 100.0).ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(now.saturating_sub(age).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_all_of_it() {
        let before = SystemTime::now();
        let Process { resident_bytes, open_files, most_files, started } = Process::look();
        assert!(resident_bytes.unwrap() > 1024 * 1024);
        assert!((3..=most_files.unwrap()).contains(&open_files.unwrap()));
        let now = before.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - started.unwrap();
        assert!((-1.0..3600.0).contains(&age), "{age}");
    }
}
