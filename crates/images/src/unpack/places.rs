//! What every sandbox needs of a tree: places to mount on, and names that programs ask for. Made
//! here, once, rather than at each start.

use std::path::Path;

use super::tree::Tree;
use crate::ImageError;

const PLACES: [&str; 9] =
    ["dev", "etc/ssl", "home/agent", "opt/cagent", "proc", "run", "tmp", "var/tmp", "workspace"];

/// Docker writes these when it starts a container. No name can be resolved inside; the proxy does
/// that outside.
const FILES: [(&str, &str); 3] = [
    ("etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost\n"),
    ("etc/hostname", "sandbox\n"),
    ("etc/resolv.conf", ""),
];

/// Adds what is not there. What is, stays: also a link, which is followed only inside of a sandbox.
pub(super) fn prepare(tree: &Tree) -> Result<(), ImageError> {
    PLACES.iter().try_for_each(|place| tree.place(Path::new(place)))?;
    FILES.iter().try_for_each(|(path, text)| tree.fill(Path::new(path), text))
}
