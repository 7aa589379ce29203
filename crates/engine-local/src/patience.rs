//! What to do when this process or this machine is short of something that soon comes back.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// The pause between two attempts.
pub(crate) const BREATH: Duration = Duration::from_millis(20);

/// How long somebody may be kept waiting by it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether an error says nothing of what was tried: too many open files, too little memory, a
/// queue that is full.
pub(crate) fn passes(error: &io::Error) -> bool {
    let errors =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::INTR, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}

/// Tries again while it fails in passing. Blocks.
pub(crate) fn patiently<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(e) if passes(&e) && begun.elapsed() < PATIENCE => std::thread::sleep(BREATH),
            other => return other,
        }
    }
}
