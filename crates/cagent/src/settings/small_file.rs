//! Reading a file that somebody else may have put there: whoever writes it must not decide what
//! reading it costs.

use std::fs::File;
use std::io::{Error, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// More than settings ever need.
const MAX_BYTES: u64 = 1 << 20;

/// The text of a regular file, links followed. Refuses what would keep us reading: a pipe, a device,
/// what has no end.
pub(super) fn read(path: &Path) -> Result<String> {
    // Without `NONBLOCK`, to open a pipe would wait for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    // What is in `/proc` does not say how long it is.
    file.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::other("it has more than 1 MiB; settings are a few lines"));
    }
    String::from_utf8(text).map_err(|_| Error::other("it is no UTF-8 text"))
}
