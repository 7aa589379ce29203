//! Which directories say that they are caches: made again from what else is in the workspace.

use std::io::Read;

use types::delivery::{CACHE_SIGNATURE, CACHE_TAG, ENVIRONMENT_MARK};

use crate::tree::Tree;

/// Whether what a directory holds says that it is a cache: `CACHEDIR.TAG` (Cargo's `target`), or
/// the `pyvenv.cfg` of a Python environment, whatever its name.
pub(crate) fn is_marked_as_one(tree: &Tree<'_>, directory: &[u8], names: &[Vec<u8>]) -> bool {
    let holds = |name: &[u8]| names.binary_search_by(|other| other.as_slice().cmp(name)).is_ok();
    holds(ENVIRONMENT_MARK.as_bytes())
        || holds(CACHE_TAG.as_bytes()) && has_signature(tree, directory)
}

fn has_signature(tree: &Tree<'_>, directory: &[u8]) -> bool {
    let path = [directory, b"/", CACHE_TAG.as_bytes()].concat();
    let mut start = [0; CACHE_SIGNATURE.len()];
    tree.file(&path).is_ok_and(|opened| {
        opened.is_some_and(|(mut file, _)| {
            file.read_exact(&mut start).is_ok() && start == CACHE_SIGNATURE
        })
    })
}
