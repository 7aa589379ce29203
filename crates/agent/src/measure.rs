//! How much a directory of the sandbox holds, for an engine that does not see it: the engine starts
//! `agentd measure DIRECTORY LIMIT` beside PID 1, as the sandbox's root.

use std::ffi::OsString;
use std::fs::File;
use std::io;

use rustix::process::{Uid, getuid};
use rustix::thread::set_thread_res_uid;

/// What the directory of these arguments holds, in bytes.
///
/// # Errors
/// When the arguments make no sense, or the directory cannot be read.
pub fn measure(arguments: &[OsString]) -> io::Result<u64> {
    let [directory, limit] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let limit = limit.to_str().and_then(|limit| limit.parse().ok());
    let limit = limit.ok_or(io::ErrorKind::InvalidInput)?;
    look_as_the_job()?;
    let root = File::open(directory)?;
    protocol::measure(&root.into(), limit)
}

/// It looks with the eyes of the job's user, who alone may enter all that the job made; by its other
/// two ids none of that user's commands can end or trace it.
fn look_as_the_job() -> io::Result<()> {
    let (id, command) = (getuid(), Uid::from_raw(protocol::COMMAND_ID));
    if id.is_root() {
        set_thread_res_uid(id, command, id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_arguments_are_refused() {
        for odd in [&["/"][..], &["/", "much"], &["/", "1", "2"], &["/none/such", "1"]] {
            let arguments: Vec<OsString> = odd.iter().map(Into::into).collect();
            assert!(measure(&arguments).is_err(), "{odd:?}");
        }
    }
}
